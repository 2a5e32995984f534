//! Values that do not fit into the kernel's arrays.
use core::fmt;

use units::{ApicId, PhysRange, ProximityDomain};

use super::inclusive::Inclusive;
use crate::{Action, Rule};

/// A value that is left out because the kernel has no room for it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the sentence in `Display` says what a variant and its fields mean")]
pub enum LimitFault {
    Domains { domain: ProximityDomain, limit: usize },
    Cpus { apic_id: ApicId, limit: usize },
    Ranges { range: PhysRange, limit: usize },
    PersistentRanges { range: PhysRange, limit: usize },
    Devices { domain: ProximityDomain, limit: usize },
    RamRanges { limit: usize },
}

impl LimitFault {
    pub(super) const fn verdict(&self) -> (Rule, Action) {
        use Action::{Dropped, Repaired};
        match self {
            Self::Domains { .. } => (Rule::DomainsFull, Dropped),
            Self::Cpus { .. } => (Rule::CpusFull, Dropped),
            Self::Ranges { .. } | Self::PersistentRanges { .. } => (Rule::RangesFull, Dropped),
            Self::Devices { .. } => (Rule::DevicesFull, Dropped),
            Self::RamRanges { .. } => (Rule::RangesFull, Repaired),
        }
    }
}

impl fmt::Display for LimitFault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Domains { domain, limit } => {
                write!(out, "there is room for {limit} domains; domain {domain} is not among the lowest")
            }
            Self::Cpus { apic_id, limit } => {
                write!(out, "there is room for {limit} CPUs; APIC {:#x} is left out", apic_id.0)
            }
            Self::Ranges { range, limit } => {
                write!(out, "there is room for {limit} memory ranges; {} is left out", Inclusive(range))
            }
            Self::PersistentRanges { range, limit } => {
                write!(out, "there is room for {limit} persistent ranges; {} is not listed", Inclusive(range))
            }
            Self::Devices { domain, limit } => {
                write!(out, "there is room for {limit} devices; one of domain {domain} is not listed")
            }
            Self::RamRanges { limit } => {
                write!(out, "there is room for {limit} memory ranges; the last one takes all further RAM")
            }
        }
    }
}
