//! Faults of a SLIT.
use core::fmt;

use units::ProximityDomain;

use crate::{Action, Rule};

/// A fault of a SLIT.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the sentence in `Display` says what a variant and its fields mean")]
pub enum SlitFault {
    WithoutSrat,
    WithoutLocalities,
    Short { localities: u64, have: u64 },
    Long { localities: u64, have: u64 },
    Domain { domain: ProximityDomain, localities: u64 },
    Diagonal { domain: ProximityDomain, distance: u8 },
    Distance { from: ProximityDomain, to: ProximityDomain, distance: u8, count: u32 },
}

impl SlitFault {
    pub(super) const fn verdict(&self) -> (Rule, Action) {
        use Action::{Refused, Repaired};
        match self {
            Self::WithoutSrat => (Rule::SlitSrat, Refused),
            Self::WithoutLocalities => (Rule::SlitSize, Refused),
            Self::Short { .. } | Self::Long { .. } => (Rule::SlitSize, Repaired),
            Self::Domain { .. } => (Rule::SlitDomain, Repaired),
            Self::Diagonal { .. } => (Rule::SlitDiagonal, Repaired),
            Self::Distance { .. } => (Rule::SlitDistance, Repaired),
        }
    }
}

impl fmt::Display for SlitFault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::WithoutSrat => {
                write!(out, "there is no usable SRAT, so the distances of its domains are not used")
            }
            Self::WithoutLocalities => write!(out, "the table has no localities"),
            Self::Short { localities, have } => {
                write!(out, "{have} distances for {localities} localities; missing ones are 10 and 20")
            }
            Self::Long { localities, have } => {
                write!(out, "{have} distances for {localities} localities; the rest is ignored")
            }
            Self::Domain { domain, localities } => {
                write!(
                    out,
                    "domain {domain} is not among the {localities} localities; its distances are 10 and 20"
                )
            }
            Self::Diagonal { domain, distance } => {
                write!(out, "domain {domain} has distance {distance} to itself; 10 is used")
            }
            Self::Distance { from, to, distance, count: 1 } => {
                write!(out, "distance {distance} from domain {from} to domain {to} is invalid; 20 is used")
            }
            Self::Distance { from, to, distance, count } => {
                write!(
                    out,
                    "{count} distances from domain {from} are invalid, such as {distance} to {to}; 20 is used"
                )
            }
        }
    }
}
