//! Where commands write: lines of COM1 beside those of the log, and for a report also the screen.
use super::screen_pages::ScreenPages;
use crate::report::console;
use arrayvec::ArrayVec;
use listing::Output;

/// Bytes of a line that go out in one piece. Longer ones are only in JSON: a line of the log may come in between.
const PIECE: usize = 2048;

/// Writes lines to COM1, and to the screen if it has pages there.
pub struct CommandOutput {
    piece: ArrayVec<u8, PIECE>,
    pages: Option<ScreenPages>,
}

impl CommandOutput {
    /// Returns an output to COM1, at the start of a line.
    pub fn new() -> Self {
        Self { piece: ArrayVec::new(), pages: None }
    }

    /// Returns an output to COM1 and to the screen, at the start of a line.
    pub fn with_screen() -> Self {
        Self { pages: ScreenPages::begin(), ..Self::new() }
    }

    fn append(&mut self, bytes: &[u8]) {
        for part in bytes.chunks(PIECE) {
            if part.len() > self.piece.remaining_capacity() {
                self.send();
            }
            let _ = self.piece.try_extend_from_slice(part);
        }
    }

    fn send(&mut self) {
        // A port that takes nothing is reported by the log.
        let _ = console::OUTPUT.write(&self.piece);
        if let Some(pages) = &mut self.pages {
            pages.show(&self.piece);
        }
        self.piece.clear();
    }
}

impl Output for CommandOutput {
    fn put(&mut self, text: &str) {
        self.append(text.as_bytes());
    }

    fn end_line(&mut self) {
        self.append(b"\r\n");
        self.send();
    }
}
