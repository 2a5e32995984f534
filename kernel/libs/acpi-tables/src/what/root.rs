//! What was wrong on the way from the root pointer to the tables.
use core::fmt;

use crate::{Action, Rule, Signature};

/// What a finding found in the root pointer or in a root table, beside what any table may get wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
#[allow(missing_docs, reason = "each variant's sentence, below, says what its fields are")]
pub enum RootFault {
    PointerOutside { address: u64 },
    PointerSignature,
    PointerChecksum { bytes: u32, sum: u8 },
    PointerLength { length: u32, mapped: u32 },
    PointerRevision { revision: u8 },
    TableNull { table: Signature },
    TableOutside { table: Signature, address: u64 },
    TableSignature { table: Signature, found: Signature },
    NoTable,
    Tail { bytes: u32 },
    EntriesNull { count: u32 },
    EntryOutside { address: u64 },
    TooMany { limit: usize },
}

impl RootFault {
    pub(super) const fn verdict(&self) -> (Rule, Action) {
        use Action::{Dropped, Mended, Refused};
        match self {
            Self::PointerOutside { .. } => (Rule::RsdpMemory, Refused),
            Self::PointerSignature => (Rule::RsdpSignature, Refused),
            Self::PointerChecksum { .. } => (Rule::RsdpChecksum, Mended),
            Self::PointerLength { .. } => (Rule::RsdpLength, Mended),
            Self::PointerRevision { .. } => (Rule::RsdpRevision, Mended),
            Self::TableNull { .. } | Self::TableOutside { .. } | Self::TableSignature { .. } => {
                (Rule::RsdpRoot, Dropped)
            }
            Self::NoTable => (Rule::RsdpRoot, Refused),
            Self::Tail { .. } => (Rule::RootLength, Mended),
            Self::EntriesNull { .. } | Self::EntryOutside { .. } => (Rule::RootEntry, Dropped),
            Self::TooMany { .. } => (Rule::TablesFull, Dropped),
        }
    }
}

impl fmt::Display for RootFault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::PointerOutside { address } => {
                write!(out, "there is no memory at {address:#x}; no table is used")
            }
            Self::PointerSignature => write!(out, "it does not start with \"RSD PTR \"; no table is used"),
            Self::PointerChecksum { bytes, sum } => {
                write!(out, "its {bytes} bytes add up to {sum:#04x} and not to 0; it is used all the same")
            }
            Self::PointerLength { length, mapped } => {
                write!(
                    out,
                    "it claims {length} bytes, of which {mapped} could be mapped; as much as is known is read"
                )
            }
            Self::PointerRevision { revision } => {
                write!(out, "there is no revision {revision}; it is read as 0")
            }
            Self::TableNull { table } => write!(out, "it has no address of an {table}"),
            Self::TableOutside { table, address } => {
                write!(out, "there is no memory at {address:#x}, where the {table} is to be")
            }
            Self::TableSignature { table, found } => {
                write!(out, "the table that it calls {table} calls itself {found}")
            }
            Self::NoTable => write!(out, "it leads to no root table; no table is used"),
            Self::Tail { bytes } => {
                write!(out, "the table ends with {bytes} bytes that are no whole address")
            }
            Self::EntriesNull { count } => write!(out, "addresses that are 0: {count}; they are left out"),
            Self::EntryOutside { address } => {
                write!(out, "there is no memory at {address:#x}; no table is there")
            }
            Self::TooMany { limit } => {
                write!(out, "there are more than {limit} tables; the rest is not looked at")
            }
        }
    }
}
