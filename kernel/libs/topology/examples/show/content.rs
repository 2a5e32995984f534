//! Decodes the content of a file: gzip, UTF-16, and text with or without a byte order mark.
use std::io;

use miniz_oxide::inflate::decompress_to_vec_with_limit;

use super::source::{LARGEST_CONTENT, error};

/// The start of a gzip file: its magic number, and the only compression method (RFC 1952 §2.3.1).
const GZIP: [u8; 3] = [0x1f, 0x8b, 8];
/// Bytes of a gzip file's fixed header, and of the checksum and the size at its end.
const GZIP_HEADER: usize = 10;
const GZIP_TRAILER: usize = 8;

/// What a file contains.
pub enum Content {
    /// Bytes, which may be raw tables.
    Bytes(Vec<u8>),
    /// Text, which may contain tables.
    Text(String),
}

/// Decodes the bytes of a file.
pub fn decode(bytes: Vec<u8>) -> io::Result<Content> {
    let bytes = if bytes.starts_with(&GZIP) { gunzip(&bytes)? } else { bytes };
    if let Some(text) = utf16(&bytes) {
        return Ok(Content::Text(text));
    }
    // The length of every raw table contains a zero, so a raw table is never taken for text.
    if bytes.contains(&0) || bytes.is_empty() {
        return Ok(Content::Bytes(bytes));
    }
    let text = String::from_utf8_lossy(&bytes);
    Ok(Content::Text(text.strip_prefix('\u{feff}').unwrap_or(&text).to_owned()))
}

/// Returns the content of a gzip file.
fn gunzip(file: &[u8]) -> io::Result<Vec<u8>> {
    let cut = || error("the gzip file is cut");
    let flags = *file.get(3).ok_or_else(cut)?;
    let mut rest = file.get(GZIP_HEADER..).ok_or_else(cut)?;
    if flags & 4 != 0 {
        let &[low, high, ..] = rest else { return Err(cut()) };
        rest = rest.get(2 + usize::from(u16::from_le_bytes([low, high]))..).ok_or_else(cut)?;
    }
    // The original name and a comment, each with a zero at its end.
    for flag in [8, 16] {
        if flags & flag != 0 {
            let end = rest.iter().position(|&byte| byte == 0).ok_or_else(cut)?;
            rest = &rest[end + 1..];
        }
    }
    rest = if flags & 2 != 0 { rest.get(2..).ok_or_else(cut)? } else { rest };
    let packed = rest.len().checked_sub(GZIP_TRAILER).and_then(|end| rest.get(..end)).ok_or_else(cut)?;
    let content = decompress_to_vec_with_limit(packed, LARGEST_CONTENT)
        .map_err(|fault| error(format_args!("the gzip file cannot be unpacked: {fault}")))?;
    let expected = [crc32(&content).to_le_bytes(), (content.len() as u32).to_le_bytes()].concat();
    if rest[packed.len()..] != expected {
        return Err(error("the gzip file's checksum is wrong"));
    }
    Ok(content)
}

/// Returns the checksum of a gzip file's content (RFC 1952 §8).
fn crc32(bytes: &[u8]) -> u32 {
    let step = |sum: u32, _| if sum & 1 == 0 { sum >> 1 } else { sum >> 1 ^ 0xedb8_8320 };
    !bytes.iter().fold(u32::MAX, |sum, &byte| (0..8).fold(sum ^ u32::from(byte), step))
}

/// Returns UTF-16 text, or `None` if the bytes are no such text. Windows tools write it, mostly with a byte order mark.
fn utf16(bytes: &[u8]) -> Option<String> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let all = |test: fn(&[u8; 2]) -> bool| !pairs.is_empty() && pairs.iter().take(32).all(test);
    let decode = |pairs: &[[u8; 2]], read: fn([u8; 2]) -> u16| {
        let units = pairs.iter().copied().map(read);
        char::decode_utf16(units).map(|letter| letter.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
    };
    match pairs {
        [[0xff, 0xfe], text @ ..] => Some(decode(text, u16::from_le_bytes)),
        [[0xfe, 0xff], text @ ..] => Some(decode(text, u16::from_be_bytes)),
        _ if !rest.is_empty() => None,
        _ if all(|&[low, high]| high == 0 && low != 0) => Some(decode(pairs, u16::from_le_bytes)),
        _ if all(|&[high, low]| high == 0 && low != 0) => Some(decode(pairs, u16::from_be_bytes)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_checksum_is_that_of_gzip() {
        // The check value of this checksum.
        assert_eq!(super::crc32(b"123456789"), 0xcbf4_3926);
    }
}
