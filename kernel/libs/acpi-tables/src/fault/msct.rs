//! Faults of an MSCT.
use core::fmt;

use units::ProximityDomain;

use crate::{Action, Rule};

/// A fault of an MSCT.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the sentence in `Display` says what a variant and its fields mean")]
pub enum MsctFault {
    WithoutDomains { offset: u32, length: u32 },
    Range { first: ProximityDomain, last: ProximityDomain },
    Nodes { nodes: usize, limit: u64 },
    Domains { count: u64, limit: u64 },
    Unlisted { domain: ProximityDomain },
    Twice { domain: ProximityDomain },
    Cpus { domain: ProximityDomain, cpus: u32, limit: u32 },
    Memory { domain: ProximityDomain, bytes: u64, limit: u64 },
    Address { last: u64, limit: u64 },
}

impl MsctFault {
    pub(super) const fn verdict(&self) -> (Rule, Action) {
        match self {
            Self::WithoutDomains { .. } | Self::Range { .. } => (Rule::MsctDomains, Action::Dropped),
            _ => (Rule::MsctConflict, Action::Dropped),
        }
    }
}

impl fmt::Display for MsctFault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::WithoutDomains { offset, length } => {
                write!(
                    out,
                    "offset {offset:#x} of the domains' limits is invalid in a table of {length} bytes"
                )
            }
            Self::Range { first, last } => {
                write!(out, "the range of domains from {first} to {last} is empty; the entry is skipped")
            }
            Self::Nodes { nodes, limit } => {
                write!(out, "the machine has {nodes} nodes, but the limit is {limit}; the limit is not used")
            }
            Self::Domains { count, limit } => {
                write!(out, "the table's ranges have {count} domains, but its limit is {limit}")
            }
            Self::Unlisted { domain } => {
                write!(out, "domain {domain} is in no range of the table; it has no limits")
            }
            Self::Twice { domain } => {
                write!(out, "domain {domain} is in two ranges of the table; the first is used")
            }
            Self::Cpus { domain, cpus, limit } => {
                write!(
                    out,
                    "domain {domain} has {cpus} CPUs, but the limit is {limit}; the limit is not used"
                )
            }
            Self::Memory { domain, bytes, limit } => {
                write!(
                    out,
                    "domain {domain} has {bytes:#x} bytes of memory, but the limit is {limit:#x}; the limit is not used"
                )
            }
            Self::Address { last, limit } => {
                write!(
                    out,
                    "the last address of memory is {last:#x}, but the limit is {limit:#x}; the limit is not used"
                )
            }
        }
    }
}
