//! Walks the entries of an SRAT or a MADT: each starts with its type and its length in a byte each.
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

use crate::{Finding, Findings, Signature, What};

/// The entries not yet read. Each step goes on by at least two bytes, so a table has an end.
#[derive(Clone, Debug)]
pub(crate) struct Entries<'a> {
    table: Signature,
    bytes: &'a [u8],
    offset: usize,
}

/// One entry: all bytes that its length takes in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry<'a> {
    table: Signature,
    pub kind: u8,
    pub offset: u32,
    bytes: &'a [u8],
}

impl<'a> Entries<'a> {
    /// The entries of this table that start at `offset`.
    pub fn new(table: Signature, bytes: &'a [u8], offset: usize) -> Self {
        Self { table, bytes, offset }
    }

    /// The next entry that lies in the table.
    pub fn next(&mut self, findings: &mut dyn Findings) -> Option<Entry<'a>> {
        let rest = self.bytes.get(self.offset..).unwrap_or_default();
        let offset = self.offset as u32;
        let wrong = match *rest {
            [] => return None,
            [_] => What::EntryHeaderCut,
            [kind, length @ (0 | 1), ..] => What::EntryWithoutLength { kind, length },
            [kind, length, ..] => match rest.get(..usize::from(length)) {
                Some(bytes) => {
                    self.offset += bytes.len();
                    return Some(Entry { table: self.table, kind, offset, bytes });
                }
                None => What::EntryPastEnd { kind, length, left: rest.len() as u32 },
            },
        };
        self.offset = self.bytes.len();
        findings.report(Finding::new(self.table, offset, wrong));
        None
    }
}

impl<'a> Entry<'a> {
    /// The entry as this structure; `None` when it is too short for that.
    pub fn read<T>(&self, findings: &mut dyn Findings) -> Option<&'a T>
    where
        T: FromBytes + Immutable + KnownLayout + Unaligned,
    {
        let (kind, length, needed) = (self.kind, self.bytes.len() as u8, size_of::<T>() as u8);
        let read = T::ref_from_prefix(self.bytes).ok();
        match &read {
            None => self.report(What::EntryShort { kind, length, needed }, findings),
            Some((_, [])) => {}
            Some(_) => self.report(What::EntryLong { kind, length, needed }, findings),
        }
        read.map(|(entry, _)| entry)
    }

    /// Reports something at this entry.
    pub fn report(&self, what: What, findings: &mut dyn Findings) {
        findings.report(Finding::new(self.table, self.offset, what));
    }
}
