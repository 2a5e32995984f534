//! What is measured between an initiator and memory, and how it is written.
use core::fmt::{self, Display};

use units::NodeId;

use crate::{Figure, Performance, Reach};

/// One of the four things that an HMAT tells of the way to memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Measure {
    /// Of reads, in picoseconds.
    ReadLatency,
    /// Of writes, in picoseconds.
    WriteLatency,
    /// Of reads, in MB/s.
    ReadBandwidth,
    /// Of writes, in MB/s.
    WriteBandwidth,
}

impl Measure {
    /// All of them.
    pub const ALL: [Self; 4] =
        [Self::ReadLatency, Self::WriteLatency, Self::ReadBandwidth, Self::WriteBandwidth];

    /// What it is called, with the unit in which it is written.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ReadLatency => "read latency (ns)",
            Self::WriteLatency => "write latency (ns)",
            Self::ReadBandwidth => "read bandwidth (MB/s)",
            Self::WriteBandwidth => "write bandwidth (MB/s)",
        }
    }

    /// This one of the four figures.
    #[must_use]
    pub const fn of(self, reach: Reach) -> Figure {
        match self {
            Self::ReadLatency => reach.read_latency_ps,
            Self::WriteLatency => reach.write_latency_ps,
            Self::ReadBandwidth => reach.read_bandwidth_mbps,
            Self::WriteBandwidth => reach.write_bandwidth_mbps,
        }
    }

    /// A figure as it is written: `?` where firmware does not say, `-` where there is no way, else a number of
    /// nanoseconds, with a fraction only where there is one, or of MB/s.
    #[must_use]
    pub fn words(self, figure: Figure) -> impl Display {
        fmt::from_fn(move |out| match (figure, self) {
            (Figure::Unspecified, _) => out.write_str("?"),
            (Figure::Unreachable, _) => out.write_str("-"),
            (Figure::Known(ps), Self::ReadLatency | Self::WriteLatency) if ps % 1000 != 0 => {
                write!(out, "{}.{:03}", ps / 1000, ps % 1000)
            }
            (Figure::Known(ps), Self::ReadLatency | Self::WriteLatency) => write!(out, "{}", ps / 1000),
            (Figure::Known(mbps), Self::ReadBandwidth | Self::WriteBandwidth) => write!(out, "{mbps}"),
        })
    }
}

impl Performance {
    /// One measure of the initiator with this index, for each node's memory; nothing where there is no such initiator.
    pub fn figures(&self, initiator: usize, measure: Measure) -> impl Iterator<Item = Figure> + Clone {
        let nodes = (0..).map_while(NodeId::new);
        nodes.map_while(move |node| self.reach(initiator, node)).map(move |reach| measure.of(reach))
    }

    /// Whether firmware says anything of this measure for the initiator with this index.
    #[must_use]
    pub fn knows(&self, initiator: usize, measure: Measure) -> bool {
        self.figures(initiator, measure).any(|figure| figure != Figure::Unspecified)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn latency_is_written_in_nanoseconds_and_bandwidth_as_it_is() {
        let words = |measure: Measure, figure| measure.words(figure).to_string();
        assert_eq!(words(Measure::ReadLatency, Figure::Known(100_000)), "100");
        assert_eq!(words(Measure::WriteLatency, Figure::Known(7_050)), "7.050");
        assert_eq!(words(Measure::ReadBandwidth, Figure::Known(7_050)), "7050");
        for measure in Measure::ALL {
            assert_eq!(words(measure, Figure::Unspecified), "?");
            assert_eq!(words(measure, Figure::Unreachable), "-");
        }
    }
}
