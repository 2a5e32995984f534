//! Iterates over the entries of a table. Each entry starts with its type and its length.
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

use crate::{EntryFault, Fault, Finding, Findings, Signature};

/// The layout of the start of an entry.
#[derive(Clone, Copy, Debug)]
enum Start {
    /// A type and a length of one byte each.
    Narrow,
    /// A type of 2 bytes, 2 reserved bytes, and a length of 4 bytes (ACPI 6.5 §5.2.28).
    Wide,
}

impl Start {
    const fn size(self) -> usize {
        match self {
            Self::Narrow => 2,
            Self::Wide => 8,
        }
    }

    /// Returns the type and the length of the entry at the start of `bytes`, or `None` if there are too few bytes.
    fn read(self, bytes: &[u8]) -> Option<(u16, u32)> {
        match (self, bytes) {
            (Self::Narrow, &[kind, length, ..]) => Some((kind.into(), length.into())),
            (Self::Wide, &[a, b, _, _, c, d, e, f, ..]) => {
                Some((u16::from_le_bytes([a, b]), u32::from_le_bytes([c, d, e, f])))
            }
            _ => None,
        }
    }
}

/// Returns the size that the specification gives to all entries of a type, or `None` if sizes vary or are unknown.
pub(crate) type FixedSize = fn(kind: u16) -> Option<usize>;

/// The entries that have not been read. Each step advances by at least the start of an entry, so iteration ends.
#[derive(Clone, Debug)]
pub(crate) struct Entries<'a> {
    table: Signature,
    bytes: &'a [u8],
    offset: usize,
    start: Start,
    fixed_size: FixedSize,
}

/// One entry with all bytes that its length covers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry<'a> {
    table: Signature,
    pub kind: u16,
    pub offset: u32,
    bytes: &'a [u8],
}

impl<'a> Entries<'a> {
    /// Iterates over entries with narrow starts from `offset` on.
    pub fn new(table: Signature, bytes: &'a [u8], offset: usize, fixed_size: FixedSize) -> Self {
        Self { table, bytes, offset, start: Start::Narrow, fixed_size }
    }

    /// Iterates over entries with wide starts from `offset` on.
    pub fn wide(table: Signature, bytes: &'a [u8], offset: usize, fixed_size: FixedSize) -> Self {
        Self { start: Start::Wide, ..Self::new(table, bytes, offset, fixed_size) }
    }

    /// Returns the next entry that lies within the table.
    ///
    /// Skips an entry that goes past the table's end. If all entries of its type have one size, that size gives the
    /// position of the next entry.
    pub fn next(&mut self, findings: &mut dyn Findings) -> Option<Entry<'a>> {
        loop {
            let rest = self.bytes.get(self.offset..).unwrap_or_default();
            let offset = self.offset as u32;
            let (fault, skipped) = match self.start.read(rest) {
                None if rest.is_empty() => return None,
                None => (EntryFault::HeaderCut, None),
                Some((kind, length)) if (length as usize) < self.start.size() => {
                    (EntryFault::WithoutLength { kind, length }, None)
                }
                Some((kind, length)) => match rest.get(..length as usize) {
                    Some(bytes) => {
                        self.offset += bytes.len();
                        return Some(Entry { table: self.table, kind, offset, bytes });
                    }
                    None => {
                        let skipped = (self.fixed_size)(kind).filter(|&size| size <= rest.len());
                        let (left, next) = (rest.len() as u32, skipped.map(|size| offset + size as u32));
                        (EntryFault::PastEnd { kind, length, left, next }, skipped)
                    }
                },
            };
            self.offset = skipped.map_or(self.bytes.len(), |size| self.offset + size);
            findings.report(Finding::new(self.table, offset, fault));
        }
    }
}

impl<'a> Entry<'a> {
    /// Returns the entry as a `T`, or `None` if the entry is shorter than a `T`.
    pub fn read<T>(&self, findings: &mut dyn Findings) -> Option<&'a T>
    where
        T: FromBytes + Immutable + KnownLayout + Unaligned,
    {
        let (value, rest) = self.read_start(findings)?;
        self.end(rest, findings);
        Some(value)
    }

    /// Returns the `T` at the start of the entry and the bytes after it, or `None` if the entry is shorter than a `T`.
    pub fn read_start<T>(&self, findings: &mut dyn Findings) -> Option<(&'a T, &'a [u8])>
    where
        T: FromBytes + Immutable + KnownLayout + Unaligned,
    {
        let read = T::ref_from_prefix(self.bytes).ok();
        if read.is_none() {
            let (kind, length, needed) = (self.kind, self.length(), size_of::<T>() as u32);
            self.report(EntryFault::Short { kind, length, needed }, findings);
        }
        read
    }

    /// Reports that the entry is too long if `rest`, its unread bytes, is not empty.
    pub fn end(&self, rest: &[u8], findings: &mut dyn Findings) {
        let (kind, length) = (self.kind, self.length());
        if !rest.is_empty() {
            let needed = length - rest.len() as u32;
            self.report(EntryFault::Long { kind, length, needed }, findings);
        }
    }

    /// Returns the type of an entry with a narrow start.
    pub fn kind_byte(&self) -> u8 {
        self.kind as u8
    }

    /// Returns the number of bytes in the entry.
    fn length(&self) -> u32 {
        self.bytes.len() as u32
    }

    /// Reports a fault at this entry.
    pub fn report(&self, fault: impl Into<Fault>, findings: &mut dyn Findings) {
        findings.report(Finding::new(self.table, self.offset, fault));
    }
}
