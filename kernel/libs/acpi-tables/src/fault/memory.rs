//! Faults of an SRAT's memory ranges.
use core::fmt;

use units::{NodeId, PhysRange, ProximityDomain};

use super::inclusive::Inclusive;
use crate::{Action, Rule};

/// A fault of an SRAT's memory ranges.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the sentence in `Display` says what a variant and its fields mean")]
pub enum MemoryFault {
    Empty { base: u64, domain: ProximityDomain },
    Wraps { base: u64, length: u64, domain: ProximityDomain },
    LastFrame { base: u64, domain: ProximityDomain, used: Option<PhysRange> },
    Unaligned { base: u64, length: u64, used: PhysRange },
    NoRam { range: PhysRange, domain: ProximityDomain },
    Overlap { range: PhysRange, domain: ProximityDomain },
    Conflict { range: PhysRange, domain: ProximityDomain, other: ProximityDomain },
    Uncovered { range: PhysRange, ram: u64, node: NodeId },
}

impl MemoryFault {
    pub(super) const fn verdict(&self) -> (Rule, Action) {
        use Action::{Dropped, Repaired};
        match self {
            Self::Empty { .. } => (Rule::SratMemoryEmpty, Dropped),
            Self::LastFrame { used: Some(_), .. } => (Rule::SratMemoryWraps, Repaired),
            Self::Wraps { .. } | Self::LastFrame { used: None, .. } => (Rule::SratMemoryWraps, Dropped),
            Self::Unaligned { .. } => (Rule::SratMemoryUnaligned, Repaired),
            Self::NoRam { .. } => (Rule::SratMemoryNoRam, Dropped),
            Self::Overlap { .. } => (Rule::SratMemoryOverlap, Repaired),
            Self::Conflict { .. } => (Rule::SratMemoryConflict, Repaired),
            Self::Uncovered { .. } => (Rule::SratMemoryUncovered, Repaired),
        }
    }
}

impl fmt::Display for MemoryFault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Empty { base, domain } => {
                write!(out, "the range at {base:#x} of domain {domain} is empty")
            }
            Self::Wraps { base, length, domain } => {
                write!(out, "{length:#x} bytes at {base:#x} of domain {domain} go past the last address")
            }
            Self::LastFrame { base, domain, used } => {
                write!(
                    out,
                    "the range at {base:#x} of domain {domain} has the last frame, whose end is no address; "
                )?;
                match used {
                    Some(used) => write!(out, "{} is used", Inclusive(used)),
                    None => write!(out, "the range is skipped"),
                }
            }
            Self::Unaligned { base, length, used } => {
                write!(
                    out,
                    "{length:#x} bytes at {base:#x} are not whole frames; {} is used",
                    Inclusive(used)
                )
            }
            Self::NoRam { range, domain } => {
                write!(out, "there is no RAM in {} of domain {domain}", Inclusive(range))
            }
            Self::Overlap { range, domain } => {
                write!(out, "{} is in domain {domain} twice; the copy is ignored", Inclusive(range))
            }
            Self::Conflict { range, domain, other } => {
                write!(
                    out,
                    "{} is in domains {domain} and {other}; domain {domain} gets it",
                    Inclusive(range)
                )
            }
            Self::Uncovered { range, ram, node } => {
                let kib = ram.div_ceil(1024);
                write!(
                    out,
                    "{kib} KiB of RAM in {} are in no domain; node {node} gets them",
                    Inclusive(range)
                )
            }
        }
    }
}
