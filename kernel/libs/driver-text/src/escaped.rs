//! Bytes as one line of text, and the place where a long text is cut.
use core::fmt::{self, Write};

/// Bytes of UTF-8. Displays with control characters and bytes that are not UTF-8 escaped, so that it is one line.
#[derive(Clone, Copy, Debug)]
pub struct Escaped<'a>(pub &'a [u8]);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            write_text(chunk.valid(), out)?;
            chunk.invalid().iter().try_for_each(|byte| write!(out, "\\x{byte:02x}"))?;
        }
        Ok(())
    }
}

/// Writes a text with its control characters escaped. What lies between these is written in one piece.
fn write_text(text: &str, out: &mut dyn Write) -> fmt::Result {
    let mut rest = text;
    while !is_printable_ascii(rest)
        && let Some((at, letter)) = rest.char_indices().find(|(_, letter)| letter.is_control())
    {
        out.write_str(&rest[..at])?;
        write_escaped(letter, out)?;
        rest = &rest[at + letter.len_utf8()..];
    }
    out.write_str(rest)
}

/// Returns true if no character of the text needs an escape, which takes fewer instructions than to look at each character.
pub(crate) fn is_printable_ascii(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}

/// Writes a character, or its escape sequence if it is a control character.
pub(crate) fn write_escaped(letter: char, out: &mut dyn Write) -> fmt::Result {
    if letter.is_control() { write!(out, "{}", letter.escape_default()) } else { out.write_char(letter) }
}

/// Returns the first `longest` bytes of a text, or up to three less, so that no character is cut.
#[must_use]
pub fn cut(text: &[u8], longest: usize) -> &[u8] {
    let Some(first) = text.get(..longest).filter(|_| text.len() > longest) else { return text };
    let last = first.utf8_chunks().last().map_or(&[][..], |chunk| chunk.invalid());
    // Without an error length, the bytes begin a character that ends behind them.
    let is_begun = core::str::from_utf8(last).is_err_and(|error| error.error_len().is_none());
    &first[..longest - if is_begun { last.len() } else { 0 }]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::string::{String, ToString};
    use std::vec::Vec;

    #[test]
    fn control_characters_and_bytes_that_are_no_text_are_escaped() {
        assert_eq!(
            Escaped(b"a\nb\r\x1b[31m\x7f\xff\xc3 \xc2\x85 \xc3\xb6").to_string(),
            r"a\nb\r\u{1b}[31m\u{7f}\xff\xc3 \u{85} ö"
        );
    }

    #[test]
    fn a_text_is_cut_between_characters() {
        for (text, longest, expected) in [
            ("abc", 3, "abc"),
            ("abc", 2, "ab"),
            ("aö", 2, "a"),
            ("aö", 3, "aö"),
            ("aöb", 3, "aö"),
            ("€€", 5, "€"),
            ("€€", 4, "€"),
            ("a🦀", 4, "a"),
            ("ö", 0, ""),
        ] {
            assert_eq!(cut(text.as_bytes(), longest), expected.as_bytes(), "{text} {longest}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_cut_anywhere() {
        assert_eq!(cut(b"ab\xff\xff", 3), b"ab\xff");
        assert_eq!(cut(b"\x80\x80\x80", 2), b"\x80\x80");
    }

    proptest! {
        #[test]
        fn what_is_cut_from_text_is_text(text: String, longest in 0_usize..64) {
            let first = cut(text.as_bytes(), longest);
            prop_assert!(first.len() <= longest && first.len() + 4 > longest.min(text.len()));
            prop_assert!(text.starts_with(core::str::from_utf8(first).expect("whole characters")));
        }

        #[test]
        fn any_bytes_are_one_line(bytes: Vec<u8>) {
            let line = Escaped(&bytes).to_string();
            prop_assert!(!line.chars().any(char::is_control));
        }
    }
}
