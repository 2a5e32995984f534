//! Faults of the memory map that the boot loader passes on.
use core::fmt;

use units::{PhysAddr, PhysRange, ProximityDomain};

use super::inclusive::Inclusive;
use crate::{Action, Rule};

/// A fault of the memory map.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the sentence in `Display` says what a variant and its fields mean")]
pub enum MemoryMapFault {
    Above { mib: u64, limit: PhysAddr },
    Dimm { range: PhysRange, domain: ProximityDomain },
}

impl MemoryMapFault {
    pub(super) const fn verdict(&self) -> (Rule, Action) {
        match self {
            Self::Above { .. } => (Rule::MemoryLimit, Action::Dropped),
            Self::Dimm { .. } => (Rule::MemoryDimm, Action::Dropped),
        }
    }
}

impl fmt::Display for MemoryMapFault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Above { mib, limit } => {
                write!(out, "{mib} MiB of RAM lie at {limit} or above; the kernel does not use them")
            }
            Self::Dimm { range, domain } => write!(
                out,
                "a memory module of domain {domain} at {} is not in the memory map; the kernel does not use it",
                Inclusive(range)
            ),
        }
    }
}
