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
}

impl MsctFault {
    pub(super) const fn verdict(&self) -> (Rule, Action) {
        (Rule::MsctDomains, Action::Dropped)
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
        }
    }
}
