//! The values from one initiator to one target.
use acpi_tables::{Direction, Quantity};

use crate::Figure;
use crate::figure::{Outcome, Stored};

/// Latency and bandwidth from an initiator to a node's memory, or to a port.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reach {
    /// The duration of a read, in picoseconds.
    pub read_latency_ps: Figure,
    /// The duration of a write, in picoseconds.
    pub write_latency_ps: Figure,
    /// The throughput of reads, in MB/s.
    pub read_bandwidth_mbps: Figure,
    /// The throughput of writes, in MB/s.
    pub write_bandwidth_mbps: Figure,
}

/// The values as the topology keeps them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cell {
    read_latency: Stored,
    write_latency: Stored,
    read_bandwidth: Stored,
    write_bandwidth: Stored,
}

impl Cell {
    pub const UNSPECIFIED: Self = Self {
        read_latency: Stored::UNSPECIFIED,
        write_latency: Stored::UNSPECIFIED,
        read_bandwidth: Stored::UNSPECIFIED,
        write_bandwidth: Stored::UNSPECIFIED,
    };

    /// Combines a value with those of this cell. Returns true if it contradicts one of them.
    pub fn put(&mut self, new: Stored, quantity: Quantity, direction: Direction) -> bool {
        let (read, write) = match quantity {
            Quantity::Latency => (&mut self.read_latency, &mut self.write_latency),
            Quantity::Bandwidth => (&mut self.read_bandwidth, &mut self.write_bandwidth),
        };
        let mut conflict = false;
        if direction != Direction::Write {
            conflict |= read.put(new, quantity) == Outcome::Conflict;
        }
        if direction != Direction::Read {
            conflict |= write.put(new, quantity) == Outcome::Conflict;
        }
        conflict
    }
    /// Returns the values as figures.
    pub fn reach(&self) -> Reach {
        Reach {
            read_latency_ps: self.read_latency.figure(),
            write_latency_ps: self.write_latency.figure(),
            read_bandwidth_mbps: self.read_bandwidth.figure(),
            write_bandwidth_mbps: self.write_bandwidth.figure(),
        }
    }
}
