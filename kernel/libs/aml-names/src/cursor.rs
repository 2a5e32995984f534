//! Reads the pieces that terms of AML consist of: integers, strings, lengths and names (ACPI 6.5 §20.2).
use crate::name_string::NameString;
use crate::path::is_lead;
use crate::unreadable::Unreadable;

/// A position in a definition block, and the end of the package that is read. Reads never go past the end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cursor<'a> {
    bytes: &'a [u8],
    /// The offset of the next byte.
    pub at: usize,
    /// The offset after the last byte that may be read.
    pub end: usize,
}

/// A package's length, read from its start.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extent {
    /// The offset after the package's last byte, as its length says.
    pub end: usize,
    /// The length.
    pub length: u32,
}

impl<'a> Cursor<'a> {
    /// Starts at `at` in these bytes.
    pub const fn new(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at, end: bytes.len() }
    }

    /// Returns the next byte without passing it.
    pub fn peek(&self) -> Result<u8, Unreadable> {
        self.bytes.get(self.at).copied().filter(|_| self.at < self.end).ok_or(Unreadable::Cut)
    }

    /// Returns the next byte.
    pub fn byte(&mut self) -> Result<u8, Unreadable> {
        let byte = self.peek()?;
        self.at += 1;
        Ok(byte)
    }

    /// Returns the next `count` bytes.
    pub fn take(&mut self, count: usize) -> Result<&'a [u8], Unreadable> {
        let end = self.at.checked_add(count).filter(|&end| end <= self.end).ok_or(Unreadable::Cut)?;
        let taken = self.bytes.get(self.at..end).ok_or(Unreadable::Cut)?;
        self.at = end;
        Ok(taken)
    }

    /// Returns all bytes up to the end.
    pub fn rest(&mut self) -> &'a [u8] {
        let rest = self.bytes.get(self.at..self.end).unwrap_or_default();
        self.at += rest.len();
        rest
    }

    /// Returns a little-endian integer of `size` bytes, at most 8.
    pub fn integer(&mut self, size: usize) -> Result<u64, Unreadable> {
        let bytes = self.take(size)?;
        Ok(bytes.iter().rev().fold(0, |value, &byte| value << 8 | u64::from(byte)))
    }

    /// Returns the characters up to the next zero byte, and passes that byte.
    pub fn string(&mut self) -> Result<&'a [u8], Unreadable> {
        let mut rest = *self;
        let text = rest.rest();
        let length = text.iter().position(|&byte| byte == 0).ok_or(Unreadable::Cut)?;
        self.at += length + 1;
        text.get(..length).ok_or(Unreadable::Cut)
    }

    /// Returns where the package ends whose length is next (`PkgLength`, §20.2.4). Its end may lie past the cursor's.
    pub fn extent(&mut self) -> Result<Extent, Unreadable> {
        let start = self.at;
        let lead = self.byte()?;
        let length = match usize::from(lead >> 6) {
            0 => u64::from(lead & 0x3f),
            more => self.integer(more)? << 4 | u64::from(lead & 0xf),
        } as u32;
        // At most 28 bits, so this fits also in 32-bit sizes.
        let end = start.saturating_add(length as usize);
        if end < self.at { Err(Unreadable::Length(length)) } else { Ok(Extent { end, length }) }
    }

    /// Returns the next name (`NameString`, §20.2.2).
    pub fn name(&mut self) -> Result<NameString<'a>, Unreadable> {
        let from_root = self.peek()? == b'\\';
        self.at += usize::from(from_root);
        let start = self.at;
        while !from_root && self.peek()? == b'^' {
            self.at += 1;
        }
        let parents = self.at - start;
        let count = match self.peek()? {
            0 => {
                self.at += 1;
                0
            }
            b'.' => {
                self.at += 1;
                2
            }
            b'/' => {
                self.at += 1;
                usize::from(self.byte()?)
            }
            lead if is_lead(lead) => 1,
            _ => return Err(Unreadable::Name),
        };
        let name = NameString { from_root, parents, segments: self.take(4 * count)? };
        if name.is_valid() { Ok(name) } else { Err(Unreadable::Name) }
    }
}
