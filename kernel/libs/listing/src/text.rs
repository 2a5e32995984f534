//! Text in columns: counted, padded and cut.
use crate::cell::Cell;
use crate::output::{COLUMNS, Output};
use core::fmt::{self, Display, Write};

/// Writes a line, up to the last column. What is beyond it is cut. Control characters become question marks.
pub struct Line<'o> {
    out: &'o mut dyn Output,
    column: usize,
    /// Spaces that come before the next character. Those at a line's end are left out.
    spaces: usize,
}

impl<'o> Line<'o> {
    /// Begins a line.
    pub fn new(out: &'o mut dyn Output) -> Self {
        Self { out, column: 0, spaces: 0 }
    }

    /// Goes on to this column, if the line has not reached it.
    pub fn go_to(&mut self, column: usize) {
        self.spaces = self.spaces.max(column.saturating_sub(self.column));
    }

    /// Leaves a gap of this many columns, and returns the column behind it.
    pub fn gap(&mut self, columns: usize) -> usize {
        self.spaces += columns;
        self.column + self.spaces
    }

    /// Writes a value.
    pub fn show(&mut self, value: &dyn Display) {
        // A value's own formatting may fail; its text ends there, then.
        let _ = write!(self, "{value}");
    }

    /// Writes a cell into a column of this width.
    pub fn cell(&mut self, cell: &Cell<'_>, width: usize, is_right: bool) {
        let start = self.column + self.spaces;
        if is_right {
            self.go_to(start + width.saturating_sub(cell.width()));
        }
        self.show(cell);
        self.go_to(start + width);
    }

    /// Ends the line.
    pub fn end(self) {
        self.out.end_line();
    }
}

impl Write for Line<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for (at, letter) in text.char_indices() {
            if letter == ' ' {
                self.spaces += 1;
                continue;
            }
            if self.column + self.spaces >= COLUMNS {
                return Ok(());
            }
            for _ in 0..core::mem::take(&mut self.spaces) {
                self.out.put(" ");
                self.column += 1;
            }
            let shown = if letter.is_control() { "?" } else { &text[at..at + letter.len_utf8()] };
            self.out.put(shown);
            self.column += 1;
        }
        Ok(())
    }
}
