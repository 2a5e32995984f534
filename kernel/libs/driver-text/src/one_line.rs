//! A value's text as one line of a bounded length.
use core::fmt::{self, Display, Write};

use arrayvec::ArrayString;

use crate::escaped::{is_printable_ascii, write_escaped};

/// The end of a text that was cut.
const CUT: &str = "...";

/// Returns the value's text with control characters escaped. A text of more than `N` bytes is cut, and ends with `...`.
pub fn one_line<const N: usize>(value: &(impl Display + ?Sized)) -> ArrayString<N> {
    written(|line| write!(line, "{value}"))
}

/// Returns the text as [`one_line`] does, with fewer instructions.
pub fn text_as_one_line<const N: usize>(text: &str) -> ArrayString<N> {
    written(|line| line.write_str(text))
}

#[inline]
fn written<const N: usize>(write: impl FnOnce(&mut Line<N>) -> fmt::Result) -> ArrayString<N> {
    const { assert!(N >= CUT.len()) };
    let mut line = Line { text: ArrayString::new(), end: 0 };
    // An error means that there was no room for the rest.
    if write(&mut line).is_err() {
        line.text.truncate(line.end);
        line.text.push_str(CUT);
    }
    line.text
}

struct Line<const N: usize> {
    text: ArrayString<N>,
    /// Where the text ends if it has to be cut.
    end: usize,
}

impl<const N: usize> Write for Line<N> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        // Most texts need no escape and leave room for the end.
        if is_printable_ascii(text) && self.text.len() + text.len() + CUT.len() <= N {
            self.text.push_str(text);
            self.end = self.text.len();
            return Ok(());
        }
        text.chars().try_for_each(|letter| {
            let mut escaped = ArrayString::<10>::new();
            write_escaped(letter, &mut escaped)?;
            self.text.try_push_str(&escaped).map_err(|_| fmt::Error)?;
            if self.text.len() + CUT.len() <= N {
                self.end = self.text.len();
            }
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_fits_is_whole() {
        assert_eq!(&one_line::<5>("abcde")[..], "abcde");
        assert_eq!(&text_as_one_line::<5>("abcde")[..], "abcde");
        assert_eq!(&one_line::<8>(&format_args!("{}-{}", 12, 34))[..], "12-34");
        assert_eq!(&one_line::<3>("")[..], "");
    }

    #[test]
    fn a_longer_text_is_cut_between_characters_and_says_so() {
        assert_eq!(&one_line::<5>("abcdef")[..], "ab...");
        assert_eq!(&text_as_one_line::<5>("abcdef")[..], "ab...");
        assert_eq!(&one_line::<6>("abödef")[..], "ab...");
        assert_eq!(&one_line::<3>("abcd")[..], "...");
    }

    #[test]
    fn control_characters_are_escaped_and_no_escape_sequence_is_cut() {
        assert_eq!(&one_line::<16>("a\nINFO b")[..], r"a\nINFO b");
        assert_eq!(&one_line::<10>("abc\u{1b}defgh")[..], "abc...");
        // The longest sequence of a control character.
        assert_eq!(&one_line::<10>("\u{9f}")[..], r"\u{9f}");
    }
}
