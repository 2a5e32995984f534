//! Walks the entries of a table: each starts with its type and its length, in a byte each or, in the HMAT, in more.
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

use crate::{Finding, Findings, Signature, What};

/// How an entry starts.
#[derive(Clone, Copy, Debug)]
enum Start {
    /// Type and length in a byte each.
    Narrow,
    /// A type of 2 bytes, 2 reserved ones, a length of 4 (ACPI 6.5 §5.2.28).
    Wide,
}

impl Start {
    const fn size(self) -> usize {
        match self {
            Self::Narrow => 2,
            Self::Wide => 8,
        }
    }

    /// The type and the length of the entry that these bytes start with; `None` where they are too few to tell.
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

/// How many bytes an entry of a type has, whatever its length says; `None` where that differs or is not known.
pub(crate) type FixedSize = fn(kind: u16) -> Option<usize>;

/// The entries not yet read. Each step goes on by at least an entry's start, so a table has an end.
#[derive(Clone, Debug)]
pub(crate) struct Entries<'a> {
    table: Signature,
    bytes: &'a [u8],
    offset: usize,
    start: Start,
    fixed_size: FixedSize,
}

/// One entry: all bytes that its length takes in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry<'a> {
    table: Signature,
    pub kind: u16,
    pub offset: u32,
    bytes: &'a [u8],
}

impl<'a> Entries<'a> {
    /// The entries of this table that start at `offset`.
    pub fn new(table: Signature, bytes: &'a [u8], offset: usize, fixed_size: FixedSize) -> Self {
        Self { table, bytes, offset, start: Start::Narrow, fixed_size }
    }

    /// The same where types have 2 bytes and lengths 4.
    pub fn wide(table: Signature, bytes: &'a [u8], offset: usize, fixed_size: FixedSize) -> Self {
        Self { start: Start::Wide, ..Self::new(table, bytes, offset, fixed_size) }
    }

    /// The next entry that lies in the table. One that goes past its end is left out, and what follows is found by the
    /// size that its type always has, if that is known.
    pub fn next(&mut self, findings: &mut dyn Findings) -> Option<Entry<'a>> {
        loop {
            let rest = self.bytes.get(self.offset..).unwrap_or_default();
            let offset = self.offset as u32;
            let (wrong, passed) = match self.start.read(rest) {
                None if rest.is_empty() => return None,
                None => (What::EntryHeaderCut, None),
                Some((kind, length)) if (length as usize) < self.start.size() => {
                    (What::EntryWithoutLength { kind, length }, None)
                }
                Some((kind, length)) => match rest.get(..length as usize) {
                    Some(bytes) => {
                        self.offset += bytes.len();
                        return Some(Entry { table: self.table, kind, offset, bytes });
                    }
                    None => {
                        let passed = (self.fixed_size)(kind).filter(|&size| size <= rest.len());
                        let (left, next) = (rest.len() as u32, passed.map(|size| offset + size as u32));
                        (What::EntryPastEnd { kind, length, left, next }, passed)
                    }
                },
            };
            self.offset = passed.map_or(self.bytes.len(), |size| self.offset + size);
            findings.report(Finding::new(self.table, offset, wrong));
        }
    }
}

impl<'a> Entry<'a> {
    /// The entry as this structure; `None` when it is too short for that.
    pub fn read<T>(&self, findings: &mut dyn Findings) -> Option<&'a T>
    where
        T: FromBytes + Immutable + KnownLayout + Unaligned,
    {
        let (value, rest) = self.read_start(findings)?;
        self.end(rest, findings);
        Some(value)
    }

    /// The structure that the entry starts with, and what follows it; `None` when it is too short for that.
    pub fn read_start<T>(&self, findings: &mut dyn Findings) -> Option<(&'a T, &'a [u8])>
    where
        T: FromBytes + Immutable + KnownLayout + Unaligned,
    {
        let read = T::ref_from_prefix(self.bytes).ok();
        if read.is_none() {
            let (kind, length, needed) = (self.kind, self.length(), size_of::<T>() as u32);
            self.report(What::EntryShort { kind, length, needed }, findings);
        }
        read
    }

    /// Says so when something of the entry was left over.
    pub fn end(&self, rest: &[u8], findings: &mut dyn Findings) {
        let (kind, length) = (self.kind, self.length());
        if !rest.is_empty() {
            let needed = length - rest.len() as u32;
            self.report(What::EntryLong { kind, length, needed }, findings);
        }
    }

    /// The type where it has one byte.
    pub fn kind_byte(&self) -> u8 {
        self.kind as u8
    }

    /// Bytes in the entry, which its length has counted.
    fn length(&self) -> u32 {
        self.bytes.len() as u32
    }

    /// Reports something at this entry.
    pub fn report(&self, what: What, findings: &mut dyn Findings) {
        findings.report(Finding::new(self.table, self.offset, what));
    }
}
