//! Reads text that contains tables: the output of `acpidump`, and the listings of `iasl -d`, which end with the raw bytes.
//!
//! ```text
//! SLIT @ 0x000000003FFE1A5C
//!     0000: 53 4C 49 54 30 00 00 00 01 EA 42 4F 43 48 53 20  SLIT0.....BOCHS
//!
//! Raw Table Data: Length 48 (0x30)
//!
//!     0000: 53 4C 49 54 30 00 00 00 01 EA 42 4F 43 48 53 20  // SLIT0.....BOCHS
//! ```
//!
//! Mail programs and web pages change white space and quote lines. So the reader accepts any white space between columns, and
//! `>` in front of a line.
use acpi_tables::Signature;

/// Bytes in a line.
const LINE: usize = 16;

/// The line of a listing after which the bytes follow.
const LISTING: &str = "Raw Table Data";

/// The content of a text.
#[derive(Default)]
pub struct Dump {
    /// The tables in the text's order.
    pub tables: Vec<DumpedTable>,
    /// The number of lines with bytes before the first heading.
    pub stray_lines: usize,
}

/// A table of a text.
#[derive(Default)]
pub struct DumpedTable {
    /// The name in the table's heading. Listings have no name there.
    pub name: Option<Signature>,
    /// The bytes up to the first missing line.
    pub bytes: Vec<u8>,
    /// The number of lines after a missing line.
    pub lines_after_gap: usize,
}

/// Reads a text, or returns `None` if it contains no heading of a table.
pub fn read(text: &str) -> Option<Dump> {
    let mut dump = Dump::default();
    for line in text.lines().map(unquoted) {
        if let Some(name) = heading(line) {
            dump.tables.push(DumpedTable { name, ..DumpedTable::default() });
        } else if let Some((offset, columns)) = offset(line) {
            match dump.tables.last_mut() {
                Some(table) => table.take(offset, columns),
                None => dump.stray_lines += usize::from(bytes(columns, LINE).next().is_some()),
            }
        }
    }
    Some(dump).filter(|dump| !dump.tables.is_empty())
}

impl DumpedTable {
    /// Appends the bytes of a line. After a missing line, the bytes would have a wrong offset.
    fn take(&mut self, offset: usize, columns: &str) {
        if offset != self.bytes.len() || self.lines_after_gap > 0 {
            self.lines_after_gap += usize::from(bytes(columns, LINE).next().is_some());
            return;
        }
        // The table's own length ends the last line, because the letters after the bytes may look like more bytes.
        let length = self.bytes.get(4..8).and_then(|length| length.try_into().ok()).map(u32::from_le_bytes);
        let left = length.and_then(|length| (length as usize).checked_sub(offset));
        self.bytes.extend(bytes(columns, left.filter(|&left| left > 0).unwrap_or(LINE).min(LINE)));
    }
}

/// Returns a line without white space at its ends, and without the marks of quoted mail.
fn unquoted(line: &str) -> &str {
    line.trim_start_matches(|letter: char| letter == '>' || letter.is_whitespace()).trim_end()
}

/// Returns the name in a heading such as `SLIT @ 0x3FFE1A5C`, or `Some(None)` for the heading of a listing's bytes.
fn heading(line: &str) -> Option<Option<Signature>> {
    if line.starts_with(LISTING) {
        return Some(None);
    }
    let (name, rest) = line.as_bytes().split_first_chunk()?;
    let rest = str::from_utf8(rest).ok()?;
    let address = rest.trim_start().strip_prefix('@')?.trim_start().strip_prefix("0x")?;
    let is_heading = !address.is_empty() && address.bytes().all(|digit| digit.is_ascii_hexdigit());
    is_heading.then_some(Some(Signature(*name)))
}

/// Returns the hexadecimal number before the first colon, and the rest of the line.
fn offset(line: &str) -> Option<(usize, &str)> {
    let (digits, rest) = line.split_once(':')?;
    let digits = digits.trim_end();
    Some((usize::from_str_radix(digits.strip_prefix("0x").unwrap_or(digits), 16).ok()?, rest))
}

/// Returns up to `limit` bytes of a line. The bytes end where the white space between them changes.
fn bytes(columns: &str, limit: usize) -> impl Iterator<Item = u8> {
    let (mut rest, mut separator, mut count) = (columns, None, 0);
    std::iter::from_fn(move || {
        let token = rest.trim_start();
        let space = &rest[..rest.len() - token.len()];
        let is_next = match count {
            0 => !space.is_empty(),
            1 => !space.is_empty() && space.len() <= 4,
            _ => Some(space) == separator,
        };
        let (digits, left) = token.split_at(token.find(char::is_whitespace).unwrap_or(token.len()));
        let is_byte = digits.len() == 2 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        if count == limit || !is_next || !is_byte {
            return None;
        }
        if count == 1 {
            separator = Some(space);
        }
        count += 1;
        rest = left;
        u8::from_str_radix(digits, 16).ok()
    })
}
