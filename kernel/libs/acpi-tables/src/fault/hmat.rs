//! Faults of an HMAT.
use core::fmt;

use units::ProximityDomain;

use crate::{Action, Rule};

/// A fault of an HMAT.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the sentence in `Display` says what a variant and its fields mean")]
pub enum HmatFault {
    WithoutSrat,
    DataType { data_type: u8 },
    Level { level: u8 },
    ListsPastEnd { initiators: u32, targets: u32, have: u32 },
    MatrixShort { needed: u64, have: u32 },
    HandlesShort { handles: u16, have: u32 },
    NoUnit,
    LatencySmall { largest: u64, in_tenths: bool },
    ValueTooLarge { from: ProximityDomain, to: ProximityDomain, used: u32, count: u32 },
    ValueConflict { from: ProximityDomain, to: ProximityDomain, count: u32 },
    InitiatorConflict { memory: ProximityDomain, used: ProximityDomain, other: ProximityDomain },
    InitiatorUnknown { domain: ProximityDomain, count: u32 },
    InitiatorIdle { domain: ProximityDomain, count: u32 },
    MemoryUnknown { domain: ProximityDomain, count: u32 },
    CacheEmpty { domain: ProximityDomain, level: u8 },
    CacheLevel { domain: ProximityDomain, level: u8, levels: u8 },
    CacheTwice { domain: ProximityDomain, level: u8 },
    CachesFull { domain: ProximityDomain, limit: usize },
}

impl HmatFault {
    pub(super) const fn verdict(&self) -> (Rule, Action) {
        use Action::{Dropped, Refused, Repaired};
        match self {
            Self::WithoutSrat => (Rule::HmatSrat, Refused),
            Self::DataType { .. } | Self::Level { .. } => (Rule::HmatMatrixKind, Dropped),
            Self::ListsPastEnd { .. } => (Rule::HmatMatrixSize, Dropped),
            Self::MatrixShort { .. } => (Rule::HmatMatrixSize, Repaired),
            Self::HandlesShort { .. } => (Rule::HmatEntryLength, Repaired),
            Self::NoUnit => (Rule::HmatUnit, Dropped),
            Self::LatencySmall { .. } => (Rule::HmatUnit, Repaired),
            Self::ValueTooLarge { .. } => (Rule::HmatValue, Repaired),
            Self::ValueConflict { .. } | Self::InitiatorConflict { .. } => (Rule::HmatConflict, Repaired),
            Self::InitiatorUnknown { .. } | Self::MemoryUnknown { .. } => (Rule::HmatDomain, Dropped),
            Self::InitiatorIdle { .. } => (Rule::HmatInitiator, Dropped),
            Self::CacheEmpty { .. } | Self::CacheLevel { .. } | Self::CacheTwice { .. } => {
                (Rule::HmatCache, Dropped)
            }
            Self::CachesFull { .. } => (Rule::CachesFull, Dropped),
        }
    }
}

impl fmt::Display for HmatFault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::WithoutSrat => {
                write!(out, "there is no usable SRAT, so the values of its domains are not used")
            }
            Self::DataType { data_type } => {
                write!(out, "data type {data_type} does not exist; the matrix is skipped")
            }
            Self::Level { level } => {
                write!(out, "memory level {level} does not exist; the matrix is skipped")
            }
            Self::ListsPastEnd { initiators, targets, have } => {
                write!(out, "{initiators} initiators and {targets} targets do not fit into {have} bytes")
            }
            Self::MatrixShort { needed, have } => {
                write!(out, "a matrix of {needed} values has only {have}; missing ones are unspecified")
            }
            Self::HandlesShort { handles, have } => {
                write!(out, "a side cache has {have} of its {handles} SMBIOS handles")
            }
            Self::NoUnit => write!(out, "the matrix's unit is 0; the matrix is skipped"),
            Self::LatencySmall { largest, in_tenths } => {
                write!(out, "the largest latency is {largest} ps, which is too small for memory; ")?;
                match in_tenths {
                    true => write!(out, "the values are read in tenths of nanoseconds"),
                    false => write!(out, "the values are used as they are"),
                }
            }
            Self::ValueTooLarge { from, to, used, count } => {
                write!(
                    out,
                    "values that are too large: {count}, first from domain {from} to {to}; {used} is used"
                )
            }
            Self::ValueConflict { from, to, count } => {
                write!(
                    out,
                    "values that differ from earlier ones: {count}, first from domain {from} to {to}; the worse is used"
                )
            }
            Self::InitiatorConflict { memory, used, other } => {
                write!(
                    out,
                    "the memory of domain {memory} is attached to domains {used} and {other}; domain {used} is used"
                )
            }
            Self::InitiatorUnknown { domain, count } => {
                write!(out, "initiators that are not in the SRAT: {count}, first domain {domain}")
            }
            Self::InitiatorIdle { domain, count } => {
                write!(
                    out,
                    "initiators without a CPU or a generic initiator: {count}, first domain {domain}; their values are skipped"
                )
            }
            Self::MemoryUnknown { domain, count } => {
                write!(out, "memory domains that are not in the SRAT: {count}, first domain {domain}")
            }
            Self::CacheEmpty { domain, level } => {
                write!(out, "the side cache of domain {domain} at level {level} has no bytes; it is skipped")
            }
            Self::CacheLevel { domain, level, levels } => {
                write!(out, "a side cache of domain {domain} is at level {level} of {levels}; it is skipped")
            }
            Self::CacheTwice { domain, level } => {
                write!(out, "domain {domain} has two side caches at level {level}; the smaller one is used")
            }
            Self::CachesFull { domain, limit } => {
                write!(out, "there is room for {limit} side caches; one of domain {domain} is left out")
            }
        }
    }
}
