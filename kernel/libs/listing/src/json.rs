//! JSON (RFC 8259): strings and cells.
use crate::cell::Cell;
use crate::output::Output;
use core::fmt::{self, Display, Write};

/// Writes a string's inside: what JSON does not allow there is escaped.
struct Escaping<'o>(&'o mut dyn Output);

impl Write for Escaping<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some(at) = rest.find(|letter: char| letter < ' ' || letter == '"' || letter == '\\') {
            let (plain, special) = rest.split_at(at);
            self.0.put(plain);
            let byte = special.as_bytes()[0];
            match byte {
                b'"' => self.0.put("\\\""),
                b'\\' => self.0.put("\\\\"),
                _ => {
                    self.0.put("\\u00");
                    self.0.put(hex(byte >> 4));
                    self.0.put(hex(byte & 15));
                }
            }
            rest = &special[1..];
        }
        self.0.put(rest);
        Ok(())
    }
}

fn hex(digit: u8) -> &'static str {
    const DIGITS: &str = "0123456789abcdef";
    let at = usize::from(digit & 15);
    &DIGITS[at..=at]
}

/// Writes without change.
struct Plain<'o>(&'o mut dyn Output);

impl Write for Plain<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.put(text);
        Ok(())
    }
}

/// Writes a string with its quotes.
pub fn string(out: &mut dyn Output, text: &dyn Display) {
    out.put("\"");
    // A value's own formatting may fail; the string ends there, then.
    let _ = write!(Escaping(out), "{text}");
    out.put("\"");
}

/// Writes a value.
pub fn value(out: &mut dyn Output, cell: &Cell<'_>) {
    match cell {
        Cell::Text(text) => string(out, text),
        Cell::Shown(shown) => string(out, shown),
        Cell::Flag(flag) => out.put(if *flag { "true" } else { "false" }),
        Cell::Missing => out.put("null"),
        // Numbers look alike in both.
        Cell::Number(_) | Cell::Signed(_) | Cell::Tenths(_) => _ = write!(Plain(out), "{cell}"),
    }
}

/// Writes a field's name and the colon.
pub fn name(out: &mut dyn Output, name: &str) {
    string(out, &name);
    out.put(":");
}
