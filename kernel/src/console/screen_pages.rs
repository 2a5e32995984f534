//! Lines on the screen, a page at a time: where the machine has no COM1, the screen is the only place to read them.
use crate::report::{console, screen};
use crate::threads::sleep;
use text_screen::{ScreenLine, Tone};

/// How long a page stays, for a person to read it or to take a photo.
const PAGE_S: u64 = 20;

/// Shows lines. Each page stays for a while if the lines are nowhere else.
pub struct ScreenPages {
    columns: usize,
    rows: usize,
    /// The rows that the page has.
    shown: usize,
}

impl ScreenPages {
    /// Begins the first page. Returns `None` if there is no screen.
    pub fn begin() -> Option<Self> {
        let (columns, rows) = screen::text_size()?;
        Some(Self { columns, rows, shown: 0 })
    }

    /// Shows a line.
    pub fn show(&mut self, line: &[u8]) {
        let mut rows = 0;
        ScreenLine::each_of(line, self.columns, Tone::Normal, |_| rows += 1);
        // The last row of a page says that there are more.
        if self.shown + rows >= self.rows && !console::OUTPUT.is_open() {
            log::info!(target: "console", "the report goes on in {PAGE_S} s");
            sleep::sleep_ns(PAGE_S * 1_000_000_000);
            self.shown = 0;
        }
        self.shown += rows;
        screen::write(line, Tone::Normal);
    }
}
