//! The HMAT's matrices of latencies and bandwidths (ACPI 6.5 §5.2.28.4).
use units::ProximityDomain;
use zerocopy::FromBytes;
use zerocopy::little_endian::{U16, U32};

use crate::entry::Entry;
use crate::wire::HmatLatencyAndBandwidth;
use crate::{Findings, HmatFault};

/// The lowest latency in picoseconds that memory can have. Even the caches of a CPU are hardly faster.
const LEAST_LATENCY: u64 = 5_000;
/// Picoseconds in a tenth of a nanosecond, the unit of latencies in ACPI 6.2.
const TENTH_OF_NANOSECOND: u64 = 100;

/// The quantity that a matrix gives.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Quantity {
    /// The time that an access takes, in picoseconds.
    Latency,
    /// The throughput, in MB/s.
    Bandwidth,
}

/// The kind of access.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    /// Reads and writes.
    Both,
    /// Reads.
    Read,
    /// Writes.
    Write,
}

/// A matrix's value for an initiator and a target.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MatrixValue {
    /// The table has no value: it contains 0, or it ends before the value.
    Unspecified,
    /// The initiator cannot reach the target: the table contains 0xffff.
    Unreachable,
    /// Picoseconds or MB/s. The 128 bits hold every product of a 16-bit value and the 64-bit unit.
    Known(u128),
}

/// Latencies or bandwidths from initiators to targets (§5.2.28.4).
#[derive(Clone, Copy, Debug)]
pub struct Matrix<'a> {
    /// The quantity of the values.
    pub quantity: Quantity,
    /// The kind of access that the values are for.
    pub direction: Direction,
    /// 0 for memory itself, 1 to 3 for its side caches. In revision 1, 1 is the last level of memory and 2 to 4 are the
    /// caches.
    pub level: u8,
    /// The smallest transfer size for which the values hold, as firmware's exponent. `None` if they hold for all sizes.
    pub minimum_transfer_size: Option<u8>,
    /// True if the values hold for transfers that are not sequential.
    pub non_sequential: bool,
    /// The unit of the table's values, in picoseconds or MB/s. It is 100 times the table's if the table's would give
    /// impossible latencies and the revision is 1.
    pub unit: u64,
    initiators: &'a [U32],
    targets: &'a [U32],
    values: &'a [U16],
    /// Bytes from the table's start to the structure.
    pub offset: u32,
}

impl<'a> Matrix<'a> {
    /// Reads a matrix, or returns `None` and reports why it cannot be read.
    pub(super) fn read(entry: Entry<'a>, first_revision: bool, findings: &mut dyn Findings) -> Option<Self> {
        let (head, tail) = entry.read_start::<HmatLatencyAndBandwidth>(findings)?;
        let mut fault = |fault| entry.report(fault, findings);
        let Some((quantity, direction)) = kind_of(head.data_type) else {
            fault(HmatFault::DataType { data_type: head.data_type });
            return None;
        };
        let level = head.flags & HmatLatencyAndBandwidth::LEVEL;
        // Revision 1 has one level more.
        if level > if first_revision { 4 } else { 3 } {
            fault(HmatFault::Level { level });
            return None;
        }
        if head.entry_base_unit.get() == 0 {
            fault(HmatFault::NoUnit);
            return None;
        }
        let (initiators, targets) = (head.number_of_initiators.get(), head.number_of_targets.get());
        let Some((initiators, targets, values)) = lists(tail, initiators, targets) else {
            fault(HmatFault::ListsPastEnd { initiators, targets, have: tail.len() as u32 });
            return None;
        };
        // No overflow: both lists lie in a table of at most 2³² bytes.
        let needed = initiators.len() as u64 * targets.len() as u64;
        let have = values.len() / size_of::<U16>();
        let kept = usize::try_from(needed).map_or(have, |needed| needed.min(have));
        if (have as u64) < needed {
            fault(HmatFault::MatrixShort { needed, have: have as u32 });
        }
        let (values, rest) = <[U16]>::ref_from_prefix_with_elems(values, kept).ok()?;
        if kept as u64 == needed {
            entry.end(rest, findings);
        }
        let has = |flag| head.flags & flag != 0;
        let unit = head.entry_base_unit.get();
        let is_memory_latency = quantity == Quantity::Latency && level == 0;
        let largest = values.iter().map(|value| value.get()).filter(|&value| value != u16::MAX).max();
        let largest = largest.map_or(0, |value| u64::from(value).saturating_mul(unit));
        let is_too_small = is_memory_latency && (1..LEAST_LATENCY).contains(&largest);
        if is_too_small {
            entry.report(HmatFault::LatencySmall { largest, in_tenths: first_revision }, findings);
        }
        Some(Self {
            quantity,
            direction,
            level,
            minimum_transfer_size: has(HmatLatencyAndBandwidth::MINIMUM_TRANSFER)
                .then_some(head.minimum_transfer_size),
            non_sequential: has(HmatLatencyAndBandwidth::NON_SEQUENTIAL),
            unit: if is_too_small && first_revision { unit * TENTH_OF_NANOSECOND } else { unit },
            initiators,
            targets,
            values,
            offset: entry.offset,
        })
    }
}

impl Matrix<'_> {
    /// Returns the initiators' domains, one for each row.
    pub fn initiators(&self) -> impl ExactSizeIterator<Item = ProximityDomain> {
        self.initiators.iter().map(|domain| ProximityDomain(domain.get()))
    }

    /// Returns the targets' domains, one for each column.
    pub fn targets(&self) -> impl ExactSizeIterator<Item = ProximityDomain> {
        self.targets.iter().map(|domain| ProximityDomain(domain.get()))
    }

    /// Iterates over the table's rows: an initiator, and the values with their targets. Missing values are left out.
    pub fn rows(
        &self,
    ) -> impl Iterator<Item = (ProximityDomain, impl Iterator<Item = (ProximityDomain, MatrixValue)>)> {
        let columns = self.targets.len().max(1);
        self.initiators().zip(self.values.chunks(columns)).map(|(from, row)| {
            (from, self.targets().zip(row).map(|(to, written)| (to, self.meaning(written.get()))))
        })
    }

    /// Returns the value in a row and a column, both counted from 0.
    #[must_use]
    pub fn value(&self, row: usize, column: usize) -> MatrixValue {
        let index = row.checked_mul(self.targets.len()).and_then(|start| start.checked_add(column));
        let written = index.filter(|_| column < self.targets.len()).and_then(|index| self.values.get(index));
        written.map_or(MatrixValue::Unspecified, |written| self.meaning(written.get()))
    }

    fn meaning(&self, written: u16) -> MatrixValue {
        match written {
            0 => MatrixValue::Unspecified,
            u16::MAX => MatrixValue::Unreachable,
            _ => MatrixValue::Known(u128::from(written) * u128::from(self.unit)),
        }
    }
}

/// Returns the meaning of a data type, or `None` if it does not exist.
const fn kind_of(data_type: u8) -> Option<(Quantity, Direction)> {
    let quantity = if data_type < 3 { Quantity::Latency } else { Quantity::Bandwidth };
    match data_type {
        0 | 3 => Some((quantity, Direction::Both)),
        1 | 4 => Some((quantity, Direction::Read)),
        2 | 5 => Some((quantity, Direction::Write)),
        _ => None,
    }
}

/// Returns the two lists and the bytes after them, or `None` if the lists do not fit into `bytes`.
fn lists(bytes: &[u8], initiators: u32, targets: u32) -> Option<(&[U32], &[U32], &[u8])> {
    let (initiators, rest) = <[U32]>::ref_from_prefix_with_elems(bytes, initiators as usize).ok()?;
    let (targets, rest) = <[U32]>::ref_from_prefix_with_elems(rest, targets as usize).ok()?;
    Some((initiators, targets, rest))
}
