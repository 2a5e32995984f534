//! The protocol by which a tool sends a driver to the running kernel, over a serial port of its own.
//!
//! A transfer is a header, the driver's name, and its file:
//!
//! | bytes | what |
//! |---|---|
//! | 8 | [`MAGIC`] |
//! | 4 | bytes of the name: 1 to [`LONGEST_NAME`] |
//! | 4 | bytes of the file: 1 to [`LONGEST_FILE`] |
//! | 4 | the CRC-32 (IEEE 802.3) of the name and the file |
//!
//! Numbers are little-endian. The kernel answers with one line: [`ACCEPTED`] or [`REFUSED`], a space, and a sentence. Bytes before a header
//! are skipped, so that a transfer that was broken off costs nothing but itself.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

use core::fmt;
use crc32fast::Hasher;

/// The first bytes of a header.
pub const MAGIC: [u8; 8] = *b"\xd7ProxDrv";
/// Bytes of a header.
pub const HEADER: usize = 20;
/// The most bytes of a name.
pub const LONGEST_NAME: usize = 64;
/// The most bytes of a file.
pub const LONGEST_FILE: usize = 4 << 20;
/// Begins the answer if the driver is loaded.
pub const ACCEPTED: &str = "ok";
/// Begins the answer if it is not.
pub const REFUSED: &str = "refused";

/// Why a transfer is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TransferError {
    /// The name has so many bytes.
    NameLength(u32),
    /// The file has so many bytes.
    FileLength(u32),
    /// The checksum of what arrived is another one.
    Checksum,
    /// It was broken off: so many bytes of the name and the file have arrived.
    BrokenOff(usize),
}

impl fmt::Display for TransferError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NameLength(length) => {
                write!(out, "the name has {length} bytes, and may have 1 to {LONGEST_NAME}")
            }
            Self::FileLength(length) => {
                write!(out, "the file has {length} bytes, and may have 1 to {LONGEST_FILE}")
            }
            Self::Checksum => out.write_str("it was damaged on its way: the checksum is another one"),
            Self::BrokenOff(bytes) => write!(out, "it was broken off after {bytes} bytes"),
        }
    }
}

/// What a header says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// Bytes of the name.
    pub name_length: usize,
    /// Bytes of the file.
    pub file_length: usize,
    checksum: u32,
}

impl Header {
    /// Returns the header of a driver; `None` if its name or its file has a length that is refused.
    #[must_use]
    pub fn of(name: &str, file: &[u8]) -> Option<Self> {
        let header =
            Self { name_length: name.len(), file_length: file.len(), checksum: checksum(name, file) };
        Self::read(&header.to_bytes()).ok()
    }

    /// Returns the bytes of the header.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        bytes[..8].copy_from_slice(&MAGIC);
        let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes();
        bytes[8..12].copy_from_slice(&number(self.name_length));
        bytes[12..16].copy_from_slice(&number(self.file_length));
        bytes[16..].copy_from_slice(&self.checksum.to_le_bytes());
        bytes
    }

    fn read(bytes: &[u8; HEADER]) -> Result<Self, TransferError> {
        let number = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let (name, file) = (number(8), number(12));
        if !(1..=LONGEST_NAME as u32).contains(&name) {
            return Err(TransferError::NameLength(name));
        }
        if !(1..=LONGEST_FILE as u32).contains(&file) {
            return Err(TransferError::FileLength(file));
        }
        Ok(Self { name_length: name as usize, file_length: file as usize, checksum: number(16) })
    }

    /// Checks that this is what was sent.
    ///
    /// # Errors
    /// [`TransferError::Checksum`].
    pub fn check(&self, name: &str, file: &[u8]) -> Result<(), TransferError> {
        if checksum(name, file) == self.checksum { Ok(()) } else { Err(TransferError::Checksum) }
    }
}

fn checksum(name: &str, file: &[u8]) -> u32 {
    let mut hasher = Hasher::new();
    hasher.update(name.as_bytes());
    hasher.update(file);
    hasher.finalize()
}

/// Finds a header in what arrives.
#[derive(Clone, Debug, Default)]
pub struct HeaderReader {
    bytes: [u8; HEADER],
    count: usize,
}

impl HeaderReader {
    /// Takes a byte. Returns the header that it completes, or what is wrong with it. The next byte begins anew, then.
    ///
    /// # Errors
    /// [`TransferError::NameLength`] or [`TransferError::FileLength`].
    pub fn take(&mut self, byte: u8) -> Option<Result<Header, TransferError>> {
        if let Some(expected) = MAGIC.get(self.count)
            && *expected != byte
        {
            // No byte of the magic but the first one is like the first one.
            self.count = 0;
            if byte != MAGIC[0] {
                return None;
            }
        }
        self.bytes[self.count] = byte;
        self.count += 1;
        if self.count < HEADER {
            return None;
        }
        self.count = 0;
        Some(Header::read(&self.bytes))
    }

    /// Forgets a header that was broken off.
    pub fn reset(&mut self) {
        self.count = 0;
    }

    /// Returns true if a part of a header was taken.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.count > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec::Vec;

    fn headers(bytes: &[u8]) -> Vec<Result<Header, TransferError>> {
        let mut reader = HeaderReader::default();
        bytes.iter().filter_map(|byte| reader.take(*byte)).collect()
    }

    #[test]
    fn what_is_sent_is_read() {
        let header = Header::of("edu", b"file").unwrap();
        assert_eq!(headers(&header.to_bytes()), [Ok(header)]);
        assert_eq!((header.name_length, header.file_length), (3, 4));
        assert_eq!(header.check("edu", b"file"), Ok(()));
        assert_eq!(header.check("edu", b"fil3"), Err(TransferError::Checksum));
        assert_eq!(header.check("edi", b"file"), Err(TransferError::Checksum));
        // The known value of the checksum (IEEE 802.3).
        assert_eq!(checksum("1234", b"56789"), 0xcbf4_3926);
    }

    #[test]
    fn lengths_have_bounds() {
        assert_eq!(Header::of("", b"file"), None);
        assert_eq!(Header::of("edu", b""), None);
        assert_eq!(Header::of(&"n".repeat(LONGEST_NAME + 1), b"file"), None);
        assert!(Header::of(&"n".repeat(LONGEST_NAME), b"file").is_some());
        let mut bytes = Header::of("edu", b"file").unwrap().to_bytes();
        bytes[12..16].copy_from_slice(&(LONGEST_FILE as u32 + 1).to_le_bytes());
        assert_eq!(headers(&bytes), [Err(TransferError::FileLength(LONGEST_FILE as u32 + 1))]);
        bytes[8..12].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(headers(&bytes), [Err(TransferError::NameLength(u32::MAX))]);
    }

    #[test]
    fn a_header_is_found_behind_anything() {
        let header = Header::of("edu", b"file").unwrap();
        let mut bytes = MAGIC[..5].to_vec();
        bytes.extend(b"garbage");
        bytes.extend(&MAGIC[..1]);
        bytes.extend(header.to_bytes());
        bytes.extend(header.to_bytes());
        assert_eq!(headers(&bytes), [Ok(header), Ok(header)]);
    }

    proptest! {
        #[test]
        fn any_bytes_give_headers_within_bounds(bytes in prop::collection::vec(prop_oneof![any::<u8>(), prop::sample::select(MAGIC.to_vec())], 0..4000)) {
            for header in headers(&bytes).into_iter().flatten() {
                prop_assert!(header.name_length <= LONGEST_NAME && header.file_length <= LONGEST_FILE);
            }
        }
    }
}
