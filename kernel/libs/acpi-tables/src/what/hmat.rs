//! What was wrong in an HMAT.
use core::fmt;

use units::ProximityDomain;

use crate::{Action, Rule};

/// What a finding found in an HMAT, beside what any table may get wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
#[allow(missing_docs, reason = "each variant's sentence, below, says what its fields are")]
pub enum HmatFault {
    DataType { data_type: u8 },
    Level { level: u8 },
    ListsPastEnd { initiators: u32, targets: u32, have: u32 },
    MatrixShort { needed: u64, have: u32 },
    HandlesShort { handles: u16, have: u32 },
    NoUnit,
    ValueTooLarge { from: ProximityDomain, to: ProximityDomain, used: u32, count: u32 },
    ValueConflict { from: ProximityDomain, to: ProximityDomain, count: u32 },
    InitiatorConflict { memory: ProximityDomain, used: ProximityDomain, other: ProximityDomain },
    InitiatorUnknown { domain: ProximityDomain, count: u32 },
    InitiatorIdle { domain: ProximityDomain, count: u32 },
    MemoryUnknown { domain: ProximityDomain, count: u32 },
    CacheLevel { domain: ProximityDomain, level: u8, levels: u8 },
    CacheTwice { domain: ProximityDomain, level: u8 },
    CachesFull { domain: ProximityDomain, limit: usize },
}

impl HmatFault {
    pub(super) const fn verdict(&self) -> (Rule, Action) {
        use Action::{Dropped, Mended};
        match self {
            Self::DataType { .. } | Self::Level { .. } => (Rule::HmatMatrixKind, Dropped),
            Self::ListsPastEnd { .. } => (Rule::HmatMatrixSize, Dropped),
            Self::MatrixShort { .. } => (Rule::HmatMatrixSize, Mended),
            Self::HandlesShort { .. } => (Rule::HmatEntryLength, Mended),
            Self::NoUnit => (Rule::HmatUnit, Dropped),
            Self::ValueTooLarge { .. } => (Rule::HmatValue, Mended),
            Self::ValueConflict { .. } | Self::InitiatorConflict { .. } => (Rule::HmatConflict, Mended),
            Self::InitiatorUnknown { .. } | Self::MemoryUnknown { .. } => (Rule::HmatDomain, Dropped),
            Self::InitiatorIdle { .. } => (Rule::HmatInitiator, Dropped),
            Self::CacheLevel { .. } | Self::CacheTwice { .. } => (Rule::HmatCache, Dropped),
            Self::CachesFull { .. } => (Rule::CachesFull, Dropped),
        }
    }
}

impl fmt::Display for HmatFault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::DataType { data_type } => {
                write!(out, "there is no data type {data_type}; the matrix is left out")
            }
            Self::Level { level } => write!(out, "there is no memory level {level}; the matrix is left out"),
            Self::ListsPastEnd { initiators, targets, have } => {
                write!(out, "{initiators} initiators and {targets} targets do not fit into {have} bytes")
            }
            Self::MatrixShort { needed, have } => {
                write!(out, "a matrix of {needed} values has {have}; those missing are unspecified")
            }
            Self::HandlesShort { handles, have } => {
                write!(out, "a side cache has {have} of its {handles} SMBIOS handles")
            }
            Self::NoUnit => write!(out, "the matrix's values are multiples of 0; it is left out"),
            Self::ValueTooLarge { from, to, used, count } => {
                write!(
                    out,
                    "values too large to be kept: {count}, first from domain {from} to {to}; {used} is used"
                )
            }
            Self::ValueConflict { from, to, count } => {
                write!(
                    out,
                    "values given before and otherwise: {count}, first from domain {from} to {to}; the worse is used"
                )
            }
            Self::InitiatorConflict { memory, used, other } => {
                write!(
                    out,
                    "memory of domain {memory} is attached to {used} and to {other}; the first is used"
                )
            }
            Self::InitiatorUnknown { domain, count } => {
                write!(out, "initiators that the SRAT does not name: {count}, first domain {domain}")
            }
            Self::InitiatorIdle { domain, count } => {
                write!(
                    out,
                    "initiators without a CPU or a generic initiator: {count}, first domain {domain}; what is said of them is left out"
                )
            }
            Self::MemoryUnknown { domain, count } => {
                write!(out, "memory that the SRAT does not name: {count}, first domain {domain}")
            }
            Self::CacheLevel { domain, level, levels } => {
                write!(out, "a side cache of domain {domain} is at level {level} of {levels}")
            }
            Self::CacheTwice { domain, level } => {
                write!(out, "domain {domain} has two side caches at level {level}; the smaller is used")
            }
            Self::CachesFull { domain, limit } => {
                write!(out, "there is room for {limit} side caches; one of domain {domain} is left out")
            }
        }
    }
}
