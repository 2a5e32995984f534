//! The editor: a line, the cursor in it, and what each key does to them.
use crate::completion::Completion;
use crate::history::History;
use crate::keys::Key;
use crate::line::Line;

/// What the caller is to do after a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// Nothing.
    None,
    /// Draw the line.
    Draw,
    /// Take this line. The editor's own is empty again.
    Enter(Line),
    /// The line was given up. The editor's own is empty again.
    Cancel(Line),
    /// Show the candidates for the word before the cursor: there are several, and they have no more in common.
    ShowCandidates,
}

/// A line that is being typed.
#[derive(Clone, Debug, Default)]
pub struct Editor {
    line: Line,
    /// Characters before the cursor.
    cursor: usize,
    history: History,
}

impl Editor {
    /// Returns an editor with an empty line and an empty history.
    #[must_use]
    pub const fn new() -> Self {
        Self { line: Line::new_const(), cursor: 0, history: History::new() }
    }

    /// Returns the line.
    #[must_use]
    pub fn line(&self) -> &str {
        &self.line
    }

    /// Returns the number of characters before the cursor.
    #[must_use]
    pub fn cursor(&self) -> usize {
        self.cursor
    }

    /// Returns what is before the cursor.
    #[must_use]
    pub fn before_cursor(&self) -> &str {
        &self.line[..self.cursor]
    }

    /// Does what a key says. `candidates` offers the candidates for the last word of a text.
    pub fn press(&mut self, key: Key, candidates: impl FnOnce(&str, &mut Completion<'_>)) -> Action {
        match key {
            Key::Character(letter) => return self.insert(&[letter]),
            Key::Enter => return self.enter(),
            Key::Cancel => return Action::Cancel(self.take()),
            Key::Tab => return self.complete(candidates),
            Key::Backspace => self.delete(self.cursor.saturating_sub(1)..self.cursor),
            Key::Delete => self.delete(self.cursor..(self.cursor + 1).min(self.line.len())),
            Key::KillToStart => self.delete(0..self.cursor),
            Key::KillToEnd => self.delete(self.cursor..self.line.len()),
            Key::KillWord => self.delete(self.word_start()..self.cursor),
            Key::Left => self.cursor = self.cursor.saturating_sub(1),
            Key::Right => self.cursor = (self.cursor + 1).min(self.line.len()),
            Key::WordLeft => self.cursor = self.word_start(),
            Key::WordRight => self.cursor = self.word_end(),
            Key::Home => self.cursor = 0,
            Key::End => self.cursor = self.line.len(),
            Key::Up => {
                let older = self.history.older(&self.line);
                return self.show(older);
            }
            Key::Down => {
                let newer = self.history.newer();
                return self.show(newer);
            }
            Key::Redraw => {}
        }
        Action::Draw
    }

    fn show(&mut self, line: Option<Line>) -> Action {
        let Some(line) = line else { return Action::None };
        self.line = line;
        self.cursor = line.len();
        Action::Draw
    }

    /// Inserts printable ASCII, if all of it fits.
    fn insert(&mut self, text: &[u8]) -> Action {
        let rest = self.line;
        let Some(added) =
            core::str::from_utf8(text).ok().filter(|text| text.len() <= self.line.remaining_capacity())
        else {
            return Action::None;
        };
        self.line.truncate(self.cursor);
        self.line.push_str(added);
        self.line.push_str(&rest[self.cursor..]);
        self.cursor += added.len();
        Action::Draw
    }

    fn delete(&mut self, range: core::ops::Range<usize>) {
        let rest = self.line;
        self.line.truncate(range.start);
        self.line.push_str(&rest[range.end..]);
        self.cursor = range.start;
    }

    fn enter(&mut self) -> Action {
        let line = self.take();
        self.history.add(&line);
        Action::Enter(line)
    }

    fn take(&mut self) -> Line {
        self.cursor = 0;
        self.history.leave();
        core::mem::take(&mut self.line)
    }

    /// Returns where the word before the cursor starts.
    fn word_start(&self) -> usize {
        let before = self.before_cursor().trim_end_matches(' ');
        before.rfind(' ').map_or(0, |space| space + 1)
    }

    /// Returns where the word behind the cursor ends.
    fn word_end(&self) -> usize {
        let after = &self.line[self.cursor..];
        let spaces = after.len() - after.trim_start_matches(' ').len();
        after[spaces..].find(' ').map_or(self.line.len(), |end| self.cursor + spaces + end)
    }

    fn complete(&mut self, candidates: impl FnOnce(&str, &mut Completion<'_>)) -> Action {
        let line = self.line;
        let before = &line[..self.cursor];
        let word = before.rsplit(' ').next().unwrap_or_default();
        let mut completion = Completion::new(word);
        candidates(before, &mut completion);
        match completion.result() {
            None => Action::None,
            Some((rest, true)) => {
                let mut rest = Line::from(rest).unwrap_or_default();
                if !line[self.cursor..].starts_with(' ') {
                    let _ = rest.try_push(' ');
                }
                self.insert(rest.as_bytes())
            }
            Some(("", false)) => Action::ShowCandidates,
            Some((rest, false)) => self.insert(rest.as_bytes()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::Keys;
    use crate::line::LONGEST_LINE;
    use proptest::prelude::*;
    use std::string::{String, ToString};
    use std::vec::Vec;

    const NAMES: [&str; 4] = ["nodes", "stat", "selftest", "sleep"];

    fn candidates(_: &str, completion: &mut Completion<'_>) {
        NAMES.iter().for_each(|name| completion.offer(name));
    }

    fn type_into(editor: &mut Editor, bytes: &[u8]) -> Vec<Action> {
        let mut keys = Keys::new();
        let keys: Vec<Key> = bytes.iter().filter_map(|byte| keys.read(*byte)).collect();
        keys.into_iter().map(|key| editor.press(key, candidates)).collect()
    }

    fn typed(bytes: &[u8]) -> (String, usize) {
        let mut editor = Editor::new();
        type_into(&mut editor, bytes);
        (editor.line().to_string(), editor.cursor())
    }

    #[test]
    fn characters_go_in_at_the_cursor_and_come_out_there() {
        assert_eq!(typed(b"nods\x1b[De"), ("nodes".into(), 4));
        assert_eq!(typed(b"nodes\x7f\x7f"), ("nod".into(), 3));
        assert_eq!(typed(b"nodes\x01\x04\x1b[3~"), ("des".into(), 0));
        assert_eq!(typed(b"abc\x1b[C\x04\x01\x7f\x1b[D"), ("abc".into(), 0));
    }

    #[test]
    fn words_are_skipped_and_deleted() {
        assert_eq!(typed(b"load my  driver\x17"), ("load my  ".into(), 9));
        assert_eq!(typed(b"load my  driver\x17\x17"), ("load ".into(), 5));
        assert_eq!(typed(b"load my\x1bb\x1bb\x1bf"), ("load my".into(), 4));
        assert_eq!(typed(b"load my\x1b[1;5D\x0b"), ("load ".into(), 5));
        assert_eq!(typed(b"load my\x1b[1;5D\x15"), ("my".into(), 0));
    }

    #[test]
    fn a_line_is_entered_whole_wherever_the_cursor_is() {
        let mut editor = Editor::new();
        let actions = type_into(&mut editor, b"nodes\x01\r");
        assert_eq!(actions.last(), Some(&Action::Enter(Line::from("nodes").unwrap())));
        assert_eq!((editor.line(), editor.cursor()), ("", 0));
        assert_eq!(type_into(&mut editor, b"x\x03").last(), Some(&Action::Cancel(Line::from("x").unwrap())));
    }

    #[test]
    fn history_goes_back_to_the_line_that_was_being_typed() {
        let mut editor = Editor::new();
        type_into(&mut editor, b"one\rtwo\rtwo\r  \rthr\x1b[A");
        assert_eq!(editor.line(), "two");
        type_into(&mut editor, b"\x1b[A\x1b[A\x1b[A");
        assert_eq!(editor.line(), "one");
        type_into(&mut editor, b"\x1b[B\x1b[B");
        assert_eq!(editor.line(), "thr");
        assert_eq!(type_into(&mut editor, b"\x1b[B"), [Action::None]);
        type_into(&mut editor, b"\x10\x10\r\x10");
        assert_eq!(editor.line(), "one");
    }

    #[test]
    fn history_keeps_the_last_lines() {
        let mut editor = Editor::new();
        for number in 0..100 {
            type_into(&mut editor, std::format!("line {number}\r").as_bytes());
        }
        for _ in 0..100 {
            type_into(&mut editor, b"\x10");
        }
        assert_eq!(editor.line(), "line 68");
    }

    #[test]
    fn a_word_is_completed_as_far_as_it_is_unique() {
        assert_eq!(typed(b"no\t"), ("nodes ".into(), 6));
        assert_eq!(typed(b"s\t"), ("s".into(), 1));
        assert_eq!(typed(b"se\t"), ("selftest ".into(), 9));
        assert_eq!(typed(b"help st\t"), ("help stat ".into(), 10));
        assert_eq!(typed(b"no x\x01\x06\x06\t"), ("nodes x".into(), 5));
        let mut editor = Editor::new();
        assert_eq!(type_into(&mut editor, b"s\t").last(), Some(&Action::ShowCandidates));
        assert_eq!(type_into(&mut editor, b"xyz\t").last(), Some(&Action::None));
    }

    #[test]
    fn a_line_that_is_full_takes_no_more() {
        let mut editor = Editor::new();
        type_into(&mut editor, &[b'x'; LONGEST_LINE]);
        assert_eq!(type_into(&mut editor, b"y"), [Action::None]);
        assert_eq!(editor.line().len(), LONGEST_LINE);
        assert_eq!(type_into(&mut editor, b"\x7fy"), [Action::Draw, Action::Draw]);
    }

    proptest! {
        #[test]
        fn any_bytes_leave_a_line_of_printable_ascii_with_a_cursor_in_it(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
            let mut editor = Editor::new();
            for action in type_into(&mut editor, &bytes) {
                if let Action::Enter(line) | Action::Cancel(line) = action {
                    prop_assert!(line.bytes().all(|byte| matches!(byte, 0x20..0x7f)));
                }
            }
            prop_assert!(editor.line().bytes().all(|byte| matches!(byte, 0x20..0x7f)));
            prop_assert!(editor.cursor() <= editor.line().len());
        }
    }
}
