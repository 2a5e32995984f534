//! Faults of an MCFG.
use core::fmt;

use units::PhysAddr;

use crate::{Action, Rule};

/// A fault of an MCFG.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the sentence in `Display` says what a variant and its fields mean")]
pub enum McfgFault {
    Size { bytes: usize },
    Full { entries: usize, limit: usize },
    NoBus { segment: u16, first_bus: u8, last_bus: u8 },
    Place { segment: u16, base: PhysAddr },
    Overlap { segment: u16, first_bus: u8, last_bus: u8 },
}

impl McfgFault {
    pub(super) const fn verdict(&self) -> (Rule, Action) {
        match self {
            Self::Size { .. } => (Rule::McfgSize, Action::Repaired),
            Self::Full { .. } => (Rule::McfgFull, Action::Dropped),
            Self::NoBus { .. } | Self::Place { .. } => (Rule::McfgRange, Action::Dropped),
            Self::Overlap { .. } => (Rule::McfgOverlap, Action::Dropped),
        }
    }
}

impl fmt::Display for McfgFault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Size { bytes } => {
                write!(out, "the last {bytes} bytes are no whole entry; they are not used")
            }
            Self::Full { entries, limit } => {
                write!(out, "the table has {entries} entries; only the first {limit} are used")
            }
            Self::NoBus { segment, first_bus, last_bus } => {
                write!(out, "segment {segment:04x} has no buses from {first_bus:02x} to {last_bus:02x}")
            }
            Self::Place { segment, base } => {
                write!(out, "the configuration space of segment {segment:04x} cannot be at {base}")
            }
            Self::Overlap { segment, first_bus, last_bus } => {
                write!(
                    out,
                    "an earlier entry has some of the buses {first_bus:02x} to {last_bus:02x} of segment {segment:04x}"
                )
            }
        }
    }
}
