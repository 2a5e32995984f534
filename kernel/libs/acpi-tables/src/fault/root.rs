//! Faults of the root pointer and of the root tables.
use core::fmt;

use crate::{Action, Rule, Signature};

/// A fault of the root pointer or of a root table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the sentence in `Display` says what a variant and its fields mean")]
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
        use Action::{Dropped, Refused, Repaired};
        match self {
            Self::PointerOutside { .. } => (Rule::RsdpMemory, Refused),
            Self::PointerSignature => (Rule::RsdpSignature, Refused),
            Self::PointerChecksum { .. } => (Rule::RsdpChecksum, Repaired),
            Self::PointerLength { .. } => (Rule::RsdpLength, Repaired),
            Self::PointerRevision { .. } => (Rule::RsdpRevision, Repaired),
            Self::TableNull { .. } | Self::TableOutside { .. } | Self::TableSignature { .. } => {
                (Rule::RsdpRoot, Dropped)
            }
            Self::NoTable => (Rule::RsdpRoot, Refused),
            Self::Tail { .. } => (Rule::RootLength, Repaired),
            Self::EntriesNull { .. } | Self::EntryOutside { .. } => (Rule::RootEntry, Dropped),
            Self::TooMany { .. } => (Rule::TablesFull, Dropped),
        }
    }
}

impl fmt::Display for RootFault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::PointerOutside { address } => {
                write!(out, "there is no memory at {address:#x}; no tables are used")
            }
            Self::PointerSignature => {
                write!(out, "the pointer does not start with \"RSD PTR \"; no tables are used")
            }
            Self::PointerChecksum { bytes, sum } => {
                write!(out, "the pointer's {bytes} bytes add up to {sum:#04x}, not to 0; it is used anyway")
            }
            Self::PointerLength { length, mapped } => {
                write!(
                    out,
                    "the pointer says {length} bytes, and {mapped} can be read; only its readable fields are used"
                )
            }
            Self::PointerRevision { revision } => {
                write!(out, "revision {revision} does not exist; the pointer is read as revision 0")
            }
            Self::TableNull { table } => write!(out, "the address of the {table} is 0"),
            Self::TableOutside { table, address } => {
                write!(out, "there is no memory at {address:#x}, the address of the {table}")
            }
            Self::TableSignature { table, found } => {
                write!(out, "the table at the address of the {table} has the signature {found}")
            }
            Self::NoTable => write!(out, "the pointer leads to no root table; no tables are used"),
            Self::Tail { bytes } => {
                write!(out, "the table ends with {bytes} bytes that are not a whole address")
            }
            Self::EntriesNull { count } => write!(out, "addresses that are 0: {count}; they are skipped"),
            Self::EntryOutside { address } => {
                write!(out, "there is no memory at {address:#x}; the address is skipped")
            }
            Self::TooMany { limit } => {
                write!(out, "there are more than {limit} tables; the rest is not read")
            }
        }
    }
}
