//! The text that `acpidump` writes: for each table a heading with its signature and address, then its bytes.
//!
//! ```text
//! SLIT @ 0x000000003FFE1A5C
//!     0000: 53 4C 49 54 30 00 00 00 01 EA 42 4F 43 48 53 20  SLIT0.....BOCHS
//! ```

/// Bytes in a line.
const LINE: usize = 16;

/// The tables in such a text, as long as their lines follow each other; `None` where this is none.
pub fn read(text: &[u8]) -> Option<Vec<Vec<u8>>> {
    // Any raw table has a zero in its length, so that none is taken for text.
    if text.contains(&0) {
        return None;
    }
    let mut tables: Vec<Vec<u8>> = Vec::new();
    let mut is_whole = false;
    for line in text.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii) {
        if is_heading(line) {
            tables.push(Vec::new());
            is_whole = true;
        } else if let (Some(table), Some((offset, rest))) = (tables.last_mut(), offset(line)) {
            // Behind a line that is missing, what follows is not at its place.
            is_whole &= offset == table.len();
            if is_whole {
                table.extend(bytes(rest));
            }
        }
    }
    Some(tables).filter(|tables| !tables.is_empty())
}

/// `SLIT @ 0x3FFE1A5C`
fn is_heading(line: &[u8]) -> bool {
    line.split_at_checked(4)
        .and_then(|(_, rest)| rest.strip_prefix(b" @ 0x"))
        .is_some_and(|address| !address.is_empty() && address.iter().all(u8::is_ascii_hexdigit))
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
