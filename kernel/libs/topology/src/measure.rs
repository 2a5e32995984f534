//! The quantities between an initiator and memory, and their text.
use core::fmt::{self, Display};

use units::NodeId;

use crate::{Figure, Performance, Reach};

/// One of the four quantities that an HMAT gives for an initiator and memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Measure {
    /// The latency of reads, in picoseconds.
    ReadLatency,
    /// The latency of writes, in picoseconds.
    WriteLatency,
    /// The bandwidth of reads, in MB/s.
    ReadBandwidth,
    /// The bandwidth of writes, in MB/s.
    WriteBandwidth,
}

impl Measure {
    /// All measures.
    pub const ALL: [Self; 4] =
        [Self::ReadLatency, Self::WriteLatency, Self::ReadBandwidth, Self::WriteBandwidth];

    /// Returns the name, with the unit that [`Measure::display`] uses.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ReadLatency => "read latency (ns)",
            Self::WriteLatency => "write latency (ns)",
            Self::ReadBandwidth => "read bandwidth (MB/s)",
            Self::WriteBandwidth => "write bandwidth (MB/s)",
        }
    }

    /// Returns this measure's figure.
    #[must_use]
    pub const fn of(self, reach: Reach) -> Figure {
        match self {
            Self::ReadLatency => reach.read_latency_ps,
            Self::WriteLatency => reach.write_latency_ps,
            Self::ReadBandwidth => reach.read_bandwidth_mbps,
            Self::WriteBandwidth => reach.write_bandwidth_mbps,
        }
    }

    /// Displays a figure: `?` for an unspecified one, `-` for an unreachable one, otherwise nanoseconds or MB/s.
    ///
    /// Nanoseconds have a fraction only if it is not 0.
    #[must_use]
    pub fn display(self, figure: Figure) -> impl Display {
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
    /// Returns one measure from the initiator with this index to each node's memory.
    ///
    /// The iterator is empty if there is no such initiator.
    pub fn figures(&self, initiator: usize, measure: Measure) -> impl Iterator<Item = Figure> + Clone {
        let nodes = (0..).map_while(NodeId::new);
        nodes.map_while(move |node| self.reach(initiator, node)).map(move |reach| measure.of(reach))
    }

    /// Returns true if firmware gives this measure for the initiator with this index and at least one node.
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
    fn latency_is_displayed_in_nanoseconds_and_bandwidth_unchanged() {
        let text = |measure: Measure, figure| measure.display(figure).to_string();
        assert_eq!(text(Measure::ReadLatency, Figure::Known(100_000)), "100");
        assert_eq!(text(Measure::WriteLatency, Figure::Known(7_050)), "7.050");
        assert_eq!(text(Measure::ReadBandwidth, Figure::Known(7_050)), "7050");
        for measure in Measure::ALL {
            assert_eq!(text(measure, Figure::Unspecified), "?");
            assert_eq!(text(measure, Figure::Unreachable), "-");
        }
    }
}
