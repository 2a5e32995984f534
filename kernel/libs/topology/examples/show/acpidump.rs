//! Reads the text that `acpidump` writes: for each table a heading with its signature and address, then its bytes.
//!
//! ```text
//! SLIT @ 0x000000003FFE1A5C
//!     0000: 53 4C 49 54 30 00 00 00 01 EA 42 4F 43 48 53 20  SLIT0.....BOCHS
//! ```

use acpi_tables::Signature;

/// Bytes in a line.
const LINE: usize = 16;

/// The mark that tools on Windows put at the start of a text.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The content of a text.
#[derive(Default)]
pub struct Dump {
    /// The name in each table's heading, and the table's bytes up to the first missing line.
    pub tables: Vec<(Signature, Vec<u8>)>,
    /// The number of lines with bytes before the first heading.
    pub stray_lines: usize,
}

/// Reads a text, or returns `None` if `text` is not the output of `acpidump`.
pub fn read(text: &[u8]) -> Option<Dump> {
    // The length of every raw table contains a zero, so a raw table is never taken for text.
    if text.contains(&0) {
        return None;
    }
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
    let mut dump = Dump::default();
    let mut is_whole = false;
    for line in text.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii) {
        if let Some(name) = heading(line) {
            dump.tables.push((name, Vec::new()));
            is_whole = true;
        } else if let Some((offset, rest)) = offset(line) {
            let Some((_, table)) = dump.tables.last_mut() else {
                dump.stray_lines += usize::from(bytes(rest).next().is_some());
                continue;
            };
            // After a missing line, the bytes would have a wrong offset.
            is_whole &= offset == table.len();
            if is_whole {
                table.extend(bytes(rest));
            }
        }
    }
    Some(dump).filter(|dump| !dump.tables.is_empty())
}

/// Returns the name in a heading such as `SLIT @ 0x3FFE1A5C`.
fn heading(line: &[u8]) -> Option<Signature> {
    let (name, rest) = line.split_first_chunk()?;
    let address = rest.strip_prefix(b" @ 0x")?;
    let is_heading = !address.is_empty() && address.iter().all(u8::is_ascii_hexdigit);
    is_heading.then_some(Signature(*name))
}

/// Returns the hexadecimal number before the first colon, and the rest of the line.
fn offset(line: &[u8]) -> Option<(usize, &[u8])> {
    let colon = line.iter().position(|&byte| byte == b':')?;
    let digits = str::from_utf8(&line[..colon]).ok()?;
    Some((usize::from_str_radix(digits, 16).ok()?, &line[colon + 1..]))
}

/// Returns the bytes of a line. Reads fixed columns, because the letters after the bytes may look like more bytes.
fn bytes(columns: &[u8]) -> impl Iterator<Item = u8> {
    columns.chunks(3).take(LINE).map_while(|column| match column {
        [b' ', digits @ ..] => u8::from_str_radix(str::from_utf8(digits).ok()?, 16).ok(),
        _ => None,
    })
}
