//! The text that `acpidump` writes: for each table a heading with its signature and address, then its bytes.
//!
//! ```text
//! SLIT @ 0x000000003FFE1A5C
//!     0000: 53 4C 49 54 30 00 00 00 01 EA 42 4F 43 48 53 20  SLIT0.....BOCHS
//! ```

use acpi_tables::Signature;

/// Bytes in a line.
const LINE: usize = 16;

/// What Windows' tools put before a text.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// What such a text has.
#[derive(Default)]
pub struct Dump {
    /// Each table's name by its heading, and its bytes as long as its lines follow each other.
    pub tables: Vec<(Signature, Vec<u8>)>,
    /// Lines with bytes that no heading is before.
    pub stray_lines: usize,
}

/// Reads such a text; `None` where this is none.
pub fn read(text: &[u8]) -> Option<Dump> {
    // Any raw table has a zero in its length, so that none is taken for text.
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
            // Behind a line that is missing, what follows is not at its place.
            is_whole &= offset == table.len();
            if is_whole {
                table.extend(bytes(rest));
            }
        }
    }
    Some(dump).filter(|dump| !dump.tables.is_empty())
}

/// The name in `SLIT @ 0x3FFE1A5C`.
fn heading(line: &[u8]) -> Option<Signature> {
    let (name, rest) = line.split_first_chunk()?;
    let address = rest.strip_prefix(b" @ 0x")?;
    let is_heading = !address.is_empty() && address.iter().all(u8::is_ascii_hexdigit);
    is_heading.then_some(Signature(*name))
}

/// `0010` before a colon, and what follows.
fn offset(line: &[u8]) -> Option<(usize, &[u8])> {
    let colon = line.iter().position(|&byte| byte == b':')?;
    let digits = str::from_utf8(&line[..colon]).ok()?;
    Some((usize::from_str_radix(digits, 16).ok()?, &line[colon + 1..]))
}

/// The bytes of a line. They stand in columns, for the letters behind them may look like more of them.
fn bytes(columns: &[u8]) -> impl Iterator<Item = u8> {
    columns.chunks(3).take(LINE).map_while(|column| match column {
        [b' ', digits @ ..] => u8::from_str_radix(str::from_utf8(digits).ok()?, 16).ok(),
        _ => None,
    })
}
