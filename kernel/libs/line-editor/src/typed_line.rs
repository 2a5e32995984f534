//! The line being typed, below the lines of a log: it is erased before a line of the log, and drawn again when no more follows.
use crate::picture::{LONGEST_PICTURE, Picture};

/// What the terminal's last line shows of the line being typed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Screen {
    /// Nothing.
    Clear,
    /// So many bytes of the picture were sent. A part of a picture is never left: its next bytes may end a control sequence.
    Drawing(usize),
    /// The picture.
    Drawn,
    /// So many bytes of the erasure were sent.
    Erasing(usize),
}

/// Draws and erases the line being typed. The sender of the log's lines asks it before each piece that it sends.
#[derive(Clone, Debug)]
pub struct TypedLine {
    screen: Screen,
    /// The picture that is on the screen, or on its way there.
    picture: Picture,
    /// What is to be shown instead; an empty picture shows nothing.
    next: Option<Picture>,
    /// The log's last byte ended a line.
    is_at_line_start: bool,
}

impl TypedLine {
    const ERASE: &[u8] = b"\r\x1b[K";

    /// Returns a line that shows nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self { screen: Screen::Clear, picture: Picture::new_const(), next: None, is_at_line_start: true }
    }

    /// Shows this picture from now on; an empty one shows nothing.
    pub fn show(&mut self, picture: Picture) {
        self.next = Some(picture);
    }

    /// Returns true if the line has nothing to send, whether lines of the log wait or not.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.screen == Screen::Clear && self.next.is_none() && self.picture.is_empty()
    }

    /// Returns true if the line has something to send while no line of the log waits.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        let is_to_draw = self.screen == Screen::Clear && !self.picture.is_empty() && self.is_at_line_start;
        is_to_draw || self.next.is_some() || matches!(self.screen, Screen::Drawing(_) | Screen::Erasing(_))
    }

    /// Returns true if a part of the line is on the screen.
    #[must_use]
    pub fn is_on_screen(&self) -> bool {
        self.screen != Screen::Clear
    }

    /// Returns the bytes that the sender sends next, in place of a line of the log, and then passes to [`TypedLine::sent`] how many it
    /// has sent. `None`: it sends the log's lines. `has_lines` says whether some wait.
    pub fn next_bytes(&mut self, has_lines: bool) -> Option<&[u8]> {
        if !matches!(self.screen, Screen::Drawing(_) | Screen::Erasing(_)) {
            self.change(has_lines);
        }
        match self.screen {
            Screen::Drawing(sent) => Some(&self.picture[sent..]),
            Screen::Erasing(sent) => Some(&Self::ERASE[sent..]),
            Screen::Clear | Screen::Drawn => None,
        }
    }

    /// Begins what there is to do where no drawing and no erasure is under way.
    fn change(&mut self, has_lines: bool) {
        let is_changed = match self.next.take() {
            Some(next) => {
                self.picture = next;
                true
            }
            None => false,
        };
        let is_wanted = !has_lines && !self.picture.is_empty();
        match self.screen {
            Screen::Drawn if !is_wanted => self.screen = Screen::Erasing(0),
            // A picture begins with a return and erases what is behind it.
            Screen::Drawn if is_changed => self.screen = Screen::Drawing(0),
            Screen::Clear if is_wanted && self.is_at_line_start => self.screen = Screen::Drawing(0),
            _ => {}
        }
    }

    /// Notes that the sender has sent so many of the bytes that [`TypedLine::next_bytes`] has returned.
    pub fn sent(&mut self, count: usize) {
        self.screen = match self.screen {
            Screen::Drawing(sent) if sent + count >= self.picture.len() => Screen::Drawn,
            Screen::Drawing(sent) => Screen::Drawing(sent + count),
            Screen::Erasing(sent) if sent + count >= Self::ERASE.len() => Screen::Clear,
            Screen::Erasing(sent) => Screen::Erasing(sent + count),
            other => other,
        }
    }

    /// Notes the last byte of the log that was sent.
    pub fn log_sent(&mut self, last: u8) {
        self.is_at_line_start = last == b'\n';
    }

    /// Leaves what is on the screen, and shows nothing from now on. The sender ends the line.
    pub fn abandon(&mut self) {
        *self = Self::new();
    }
}

impl Default for TypedLine {
    fn default() -> Self {
        Self::new()
    }
}

const _: () = assert!(LONGEST_PICTURE < 256, "a picture is sent in a few pieces");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::picture;
    use proptest::prelude::*;
    use std::string::String;
    use std::vec::Vec;

    /// A sender: the lines that wait, and what it has sent.
    #[derive(Default)]
    struct Sender {
        line: TypedLine,
        waiting: Vec<u8>,
        sent: Vec<u8>,
    }

    impl Sender {
        /// Sends up to `most` bytes.
        fn send(&mut self, most: usize) {
            let has_lines = !self.waiting.is_empty();
            if let Some(bytes) = self.line.next_bytes(has_lines) {
                let count = bytes.len().min(most);
                self.sent.extend(&bytes[..count]);
                self.line.sent(count);
            } else if has_lines {
                let count = self.waiting.len().min(most);
                self.line.log_sent(self.waiting[count - 1]);
                self.sent.extend(self.waiting.drain(..count));
            }
        }

        fn send_all(&mut self) {
            while self.line.is_waiting() || !self.waiting.is_empty() {
                self.send(16);
            }
        }

        fn show(&mut self, text: &str) {
            let shown = if text.is_empty() { Picture::new() } else { picture("> ", text, text.len()) };
            self.line.show(shown);
        }
    }

    /// Returns what a terminal shows: its lines, without spaces at their ends.
    fn screen(bytes: &[u8]) -> Vec<String> {
        let (mut lines, mut column) = (std::vec![String::new()], 0);
        let mut bytes = bytes.iter();
        while let Some(byte) = bytes.next() {
            let line = lines.last_mut().unwrap();
            match byte {
                b'\r' => column = 0,
                b'\n' => lines.push(String::new()),
                0x1b => {
                    assert_eq!(bytes.next(), Some(&b'['));
                    match bytes.next().unwrap() {
                        b'K' => line.truncate(column),
                        other => panic!("{other}"),
                    }
                }
                letter => {
                    line.truncate(column);
                    line.push(char::from(*letter));
                    column += 1;
                }
            }
        }
        lines
    }

    #[test]
    fn a_line_of_the_log_goes_above_the_line_being_typed() {
        let mut sender = Sender::default();
        sender.show("nod");
        sender.send_all();
        assert_eq!(screen(&sender.sent), ["> nod"]);
        sender.waiting.extend(b"INFO  a: one\r\nINFO  a: two\r\n");
        sender.send_all();
        assert_eq!(screen(&sender.sent), ["INFO  a: one", "INFO  a: two", "> nod"]);
        sender.show("nodes");
        sender.send_all();
        assert_eq!(screen(&sender.sent), ["INFO  a: one", "INFO  a: two", "> nodes"]);
        sender.show("");
        sender.send_all();
        assert_eq!(screen(&sender.sent), ["INFO  a: one", "INFO  a: two", ""]);
        assert!(sender.line.is_idle());
    }

    #[test]
    fn without_a_line_being_typed_no_byte_is_added() {
        let mut sender = Sender::default();
        sender.waiting.extend(b"INFO  a: one\r\n");
        sender.send_all();
        assert_eq!(sender.sent, b"INFO  a: one\r\n");
        assert!(sender.line.is_idle());
    }

    #[test]
    fn nothing_is_drawn_in_the_middle_of_a_line_of_the_log() {
        let mut sender = Sender::default();
        sender.show("nod");
        sender.send_all();
        sender.waiting.extend(b"INFO  a: the fir");
        sender.send_all();
        assert!(sender.sent.ends_with(b"the fir"));
        sender.waiting.extend(b"st half\r\n");
        sender.send_all();
        assert_eq!(screen(&sender.sent), ["INFO  a: the first half", "> nod"]);
    }

    proptest! {
        #[test]
        fn whatever_happens_when_the_log_is_whole_and_the_last_line_is_shown(
            steps in prop::collection::vec((0u8..4, "[a-z]{0,90}", 1usize..20), 0..60),
        ) {
            let (mut sender, mut log, mut shown) = (Sender::default(), Vec::new(), String::new());
            for (what, text, count) in steps {
                match what {
                    0 => {
                        sender.waiting.extend(text.as_bytes());
                        sender.waiting.extend(b"\r\n");
                        log.push(text);
                    }
                    1 => {
                        shown = text[..text.len().min(70)].into();
                        sender.show(&shown);
                    }
                    _ => (0..count).for_each(|_| sender.send(count)),
                }
            }
            sender.send_all();
            log.push(if shown.is_empty() { String::new() } else { std::format!("> {shown}") });
            prop_assert_eq!(screen(&sender.sent), log);
        }
    }
}
