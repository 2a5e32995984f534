//! The picture of a line: the bytes that draw it on a terminal, over what the terminal's line shows.
use arrayvec::ArrayVec;

/// The columns that a picture uses. Terminals have at least 80, and the last one is left free: a character there may wrap.
const COLUMNS: usize = 79;
/// Bytes of a longest picture: the columns, a return, an erasure, and a move of the cursor.
pub const LONGEST_PICTURE: usize = COLUMNS + 16;

/// The bytes that draw a line.
pub type Picture = ArrayVec<u8, LONGEST_PICTURE>;

/// Draws a line behind its prompt, with the cursor in it. Of a long line, draws the part around the cursor.
///
/// A prompt of more than 40 characters is left out.
#[must_use]
pub fn picture(prompt: &str, line: &str, cursor: usize) -> Picture {
    let prompt = if prompt.len() <= 40 { prompt } else { "" };
    let room = COLUMNS - prompt.len();
    let cursor = cursor.min(line.len());
    // The cursor may stand behind the last character, so it needs a column of its own.
    let first = (cursor + 1).saturating_sub(room);
    let shown = &line.as_bytes()[first..line.len().min(first + room)];
    let mut picture = Picture::new();
    // It all fits: a return, the columns, an erasure of 3 bytes, and a move of up to 5 bytes.
    for part in [b"\r", prompt.as_bytes(), shown, b"\x1b[K"] {
        let _ = picture.try_extend_from_slice(part);
    }
    let back = first + shown.len() - cursor;
    if back > 0 {
        let digits = [b'0' + (back / 10) as u8, b'0' + (back % 10) as u8];
        for part in [b"\x1b[".as_slice(), &digits, b"D"] {
            let _ = picture.try_extend_from_slice(part);
        }
    }
    picture
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_cursor_stands_where_it_is_in_the_line() {
        assert_eq!(picture("> ", "nodes", 5).as_slice(), b"\r> nodes\x1b[K");
        assert_eq!(picture("> ", "nodes", 1).as_slice(), b"\r> nodes\x1b[K\x1b[04D");
        assert_eq!(picture("> ", "", 0).as_slice(), b"\r> \x1b[K");
    }

    #[test]
    fn of_a_long_line_the_part_at_the_cursor_is_shown() {
        let line = std::string::String::from("0123456789").repeat(20);
        assert_eq!(&picture("> ", &line, 200)[..], [b"\r> ", &line.as_bytes()[124..], b"\x1b[K"].concat());
        let start = picture("> ", &line, 0);
        assert_eq!(&start[..], [b"\r> ", &line.as_bytes()[..77], b"\x1b[K\x1b[77D".as_slice()].concat());
    }

    proptest! {
        #[test]
        fn a_picture_is_never_wider_than_a_terminal(line in "[ -~]{0,240}", cursor in 0usize..300, prompt in "[a-z> ]{0,60}") {
            let picture = picture(&prompt, &line, cursor);
            let columns = picture.iter().skip(1).take_while(|byte| **byte != 0x1b).count();
            prop_assert!(columns <= COLUMNS && picture.ends_with(b"D") | picture.ends_with(b"\x1b[K"));
        }
    }
}
