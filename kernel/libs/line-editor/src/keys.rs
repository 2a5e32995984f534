//! Keys: what the bytes of a terminal mean (ECMA-48 §5.4 and §8.3; the sequences of xterm).

/// A key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Key {
    /// A printable ASCII character.
    Character(u8),
    /// Return.
    Enter,
    /// Deletes the character before the cursor.
    Backspace,
    /// Deletes the character under the cursor.
    Delete,
    /// Completes the word.
    Tab,
    /// One character back.
    Left,
    /// One character on.
    Right,
    /// One word back.
    WordLeft,
    /// One word on.
    WordRight,
    /// The older line.
    Up,
    /// The newer line.
    Down,
    /// To the line's start.
    Home,
    /// To the line's end.
    End,
    /// Deletes what is before the cursor: Ctrl-U.
    KillToStart,
    /// Deletes what is behind the cursor: Ctrl-K.
    KillToEnd,
    /// Deletes the word before the cursor: Ctrl-W.
    KillWord,
    /// Gives the line up: Ctrl-C.
    Cancel,
    /// Draws the line again: Ctrl-L.
    Redraw,
}

/// What was read of a sequence.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum State {
    /// Nothing.
    #[default]
    Plain,
    /// A return. A line feed behind it is a part of it.
    Return,
    /// The escape character.
    Escape,
    /// The start of a sequence of application keys.
    Single,
    /// A control sequence, with its first parameter and its last one.
    Control(u8, u8),
}

/// Reads keys from bytes. Bytes and sequences without a meaning are skipped.
#[derive(Clone, Copy, Debug, Default)]
pub struct Keys {
    state: State,
}

impl Keys {
    const ESCAPE: u8 = 0x1b;

    /// Returns a reader that has read nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self { state: State::Plain }
    }

    /// Reads a byte. Returns the key that it completes, if it completes one.
    pub fn read(&mut self, byte: u8) -> Option<Key> {
        let state = core::mem::take(&mut self.state);
        match (state, byte) {
            // Whatever was before: a new sequence, or a control character, which ends one.
            (_, Self::ESCAPE) => self.go(State::Escape),
            (State::Return, b'\n') => None,
            (_, 0..0x20) => self.control(byte),
            (State::Escape, b'[') => self.go(State::Control(0, 0)),
            (State::Escape, b'O') => self.go(State::Single),
            (State::Escape, b'b') => Some(Key::WordLeft),
            (State::Escape, b'f') => Some(Key::WordRight),
            (State::Escape, 0x7f) => Some(Key::KillWord),
            (State::Escape, _) => None,
            (State::Single, _) => named(byte, 0),
            (State::Control(first, _), b';') => self.go(State::Control(first, 0)),
            (State::Control(first, last), b'0'..=b'9') => {
                let digit = |number: u8| number.saturating_mul(10).saturating_add(byte - b'0');
                // Until a semicolon, the first parameter is the last one.
                let first = if first == last { digit(first) } else { first };
                self.go(State::Control(first, digit(last)))
            }
            // Other parameters and intermediate bytes.
            (State::Control(first, last), 0x20..0x40) => self.go(State::Control(first, last)),
            (State::Control(first, _), b'~') => numbered(first),
            (State::Control(_, last), _) => named(byte, last),
            (State::Plain | State::Return, 0x7f) => Some(Key::Backspace),
            (State::Plain | State::Return, 0x20..0x7f) => Some(Key::Character(byte)),
            (State::Plain | State::Return, _) => None,
        }
    }

    fn go(&mut self, state: State) -> Option<Key> {
        self.state = state;
        None
    }

    fn control(&mut self, byte: u8) -> Option<Key> {
        Some(match byte {
            b'\r' => {
                self.state = State::Return;
                Key::Enter
            }
            b'\n' => Key::Enter,
            b'\t' => Key::Tab,
            0x01 => Key::Home,
            0x02 => Key::Left,
            0x03 => Key::Cancel,
            0x04 => Key::Delete,
            0x05 => Key::End,
            0x06 => Key::Right,
            0x08 => Key::Backspace,
            0x0b => Key::KillToEnd,
            0x0c => Key::Redraw,
            0x0e => Key::Down,
            0x10 => Key::Up,
            0x15 => Key::KillToStart,
            0x17 => Key::KillWord,
            _ => return None,
        })
    }
}

/// Returns the key of a sequence that ends with this byte. `modifier` is its last parameter.
fn named(last_byte: u8, modifier: u8) -> Option<Key> {
    let is_word = modifier == 3 || modifier == 5;
    Some(match last_byte {
        b'A' => Key::Up,
        b'B' => Key::Down,
        b'C' if is_word => Key::WordRight,
        b'D' if is_word => Key::WordLeft,
        b'C' => Key::Right,
        b'D' => Key::Left,
        b'H' => Key::Home,
        b'F' => Key::End,
        b'M' => Key::Enter,
        _ => return None,
    })
}

/// Returns the key of a sequence that ends with a tilde.
fn numbered(number: u8) -> Option<Key> {
    Some(match number {
        1 | 7 => Key::Home,
        3 => Key::Delete,
        4 | 8 => Key::End,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn keys(bytes: &[u8]) -> Vec<Key> {
        let mut keys = Keys::new();
        bytes.iter().filter_map(|byte| keys.read(*byte)).collect()
    }

    #[test]
    fn plain_bytes_are_characters_and_control_characters_are_keys() {
        assert_eq!(
            keys(b"a \x7f\x08"),
            [Key::Character(b'a'), Key::Character(b' '), Key::Backspace, Key::Backspace]
        );
        assert_eq!(
            keys(b"\x01\x05\x15\x0b\x17\x03"),
            [Key::Home, Key::End, Key::KillToStart, Key::KillToEnd, Key::KillWord, Key::Cancel]
        );
    }

    #[test]
    fn a_return_with_a_line_feed_is_one_enter() {
        assert_eq!(keys(b"\r\n\r\n"), [Key::Enter, Key::Enter]);
        assert_eq!(keys(b"\n\n\r\r"), [Key::Enter; 4]);
        assert_eq!(keys(b"\ra\n"), [Key::Enter, Key::Character(b'a'), Key::Enter]);
    }

    #[test]
    fn the_sequences_of_terminals_are_keys() {
        assert_eq!(
            keys(b"\x1b[A\x1b[B\x1b[C\x1b[D\x1b[H\x1b[F"),
            [Key::Up, Key::Down, Key::Right, Key::Left, Key::Home, Key::End]
        );
        assert_eq!(keys(b"\x1bOA\x1bOH"), [Key::Up, Key::Home]);
        assert_eq!(keys(b"\x1b[3~\x1b[1~\x1b[4~"), [Key::Delete, Key::Home, Key::End]);
        assert_eq!(
            keys(b"\x1b[1;5D\x1b[1;5C\x1bb\x1bf"),
            [Key::WordLeft, Key::WordRight, Key::WordLeft, Key::WordRight]
        );
        assert_eq!(keys(b"\x1b[3;5~"), [Key::Delete]);
    }

    #[test]
    fn what_is_unknown_is_skipped_and_the_next_key_is_read() {
        assert_eq!(keys(b"\x1b[99999999999Zx"), [Key::Character(b'x')]);
        assert_eq!(keys(b"\x1b[?25\x1b[Ax"), [Key::Up, Key::Character(b'x')]);
        assert_eq!(keys(b"\x1b[1;\rx"), [Key::Enter, Key::Character(b'x')]);
        assert_eq!(keys("\u{e4}\u{1f980}x".as_bytes()), [Key::Character(b'x')]);
        assert_eq!(keys(&[0, 0xff, 0x80, 0x1b, 0xff, b'x']), [Key::Character(b'x')]);
    }
}
