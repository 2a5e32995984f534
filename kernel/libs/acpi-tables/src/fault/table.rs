//! Faults that any table and any entry may have.
use core::fmt;

use crate::{Action, Rule, Signature};

/// A fault of a table as a whole.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the sentence in `Display` says what a variant and its fields mean")]
pub enum TableFault {
    Short { length: u64, needed: u32 },
    Cut { length: u32, mapped: u64 },
    Checksum { sum: u8 },
    Duplicate { used: u32, other: u32 },
    WithoutSignature,
}

impl TableFault {
    pub(super) const fn verdict(&self) -> (Rule, Action) {
        use Action::{Refused, Repaired};
        match self {
            Self::Short { .. } => (Rule::TableLength, Refused),
            Self::Cut { .. } => (Rule::TableLength, Repaired),
            Self::Checksum { .. } => (Rule::TableChecksum, Repaired),
            Self::Duplicate { .. } => (Rule::TableDuplicate, Refused),
            Self::WithoutSignature => (Rule::TableSignature, Refused),
        }
    }
}

impl fmt::Display for TableFault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Short { length, needed } => {
                write!(out, "the table has {length} bytes, but its header takes {needed}")
            }
            Self::Cut { length, mapped } => {
                write!(out, "the header says {length} bytes, but only {mapped} can be read; these are used")
            }
            Self::Checksum { sum } => {
                write!(out, "the table's bytes add up to {sum:#04x}, not to 0; the table is used anyway")
            }
            Self::Duplicate { used, other } if used < other => {
                write!(
                    out,
                    "there are several tables of this kind; table {used} is used, and table {other} is not"
                )
            }
            Self::Duplicate { used, other } => {
                write!(
                    out,
                    "there are several tables of this kind; table {used} is used, because table {other} has faults"
                )
            }
            Self::WithoutSignature => write!(out, "the bytes do not start with a table's signature"),
        }
    }
}

/// A fault of an entry's header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the sentence in `Display` says what a variant and its fields mean")]
pub enum EntryFault {
    WithoutLength { kind: u16, length: u32 },
    Short { kind: u16, length: u32, needed: u32 },
    Long { kind: u16, length: u32, needed: u32 },
    PastEnd { kind: u16, length: u32, left: u32, next: Option<u32> },
    HeaderCut,
    TypeUnknown { kind: u16 },
}

impl EntryFault {
    /// Returns true if the position of the next entry is unknown.
    pub(super) const fn ends_table(&self) -> bool {
        matches!(self, Self::WithoutLength { .. } | Self::HeaderCut | Self::PastEnd { next: None, .. })
    }

    pub(super) const fn verdict(&self, table: Signature) -> (Rule, Action) {
        use Action::{Dropped, Repaired};
        let length = match table {
            Signature::MADT => Rule::MadtEntryLength,
            Signature::HMAT => Rule::HmatEntryLength,
            Signature::MSCT => Rule::MsctEntryLength,
            _ => Rule::SratEntryLength,
        };
        let kind = match table {
            Signature::HMAT => Rule::HmatEntryType,
            _ => Rule::SratEntryType,
        };
        match self {
            Self::WithoutLength { .. } | Self::Short { .. } | Self::PastEnd { .. } | Self::HeaderCut => {
                (length, Dropped)
            }
            Self::Long { .. } => (length, Repaired),
            Self::TypeUnknown { .. } => (kind, Dropped),
        }
    }
}

impl fmt::Display for EntryFault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::WithoutLength { kind, length } => {
                write!(out, "an entry of type {kind} has length {length}; the rest of the table is skipped")
            }
            Self::Short { kind, length, needed } => {
                write!(out, "an entry of type {kind} has {length} bytes, not {needed}; it is skipped")
            }
            Self::Long { kind, length, needed } => {
                write!(out, "an entry of type {kind} has {length} bytes, not {needed}; the rest is ignored")
            }
            Self::PastEnd { kind, length, left, next } => {
                write!(out, "an entry of type {kind} has {length} bytes, but the table has {left} left; ")?;
                match next {
                    Some(next) => write!(out, "it is skipped, and the next entry is read at {next:#x}"),
                    None => write!(out, "the rest of the table is skipped"),
                }
            }
            Self::HeaderCut => write!(out, "the table ends within an entry's header"),
            Self::TypeUnknown { kind } => {
                write!(out, "entry type {kind} does not exist; the entry is skipped")
            }
        }
    }
}
