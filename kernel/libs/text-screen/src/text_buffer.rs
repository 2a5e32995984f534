//! The last lines of a text, and what of them the screen shows.
use crate::Tone;

/// The most letters of a line. Longer lines go on in the next one.
pub const MOST_COLUMNS: usize = 256;
/// The most lines on a screen.
pub const MOST_ROWS: usize = 128;

/// The letters from one tabulator to the next.
const TABULATOR: usize = 8;
/// What a row shows that was never drawn: anything, up to the edge of the screen.
const UNKNOWN: usize = usize::MAX;

/// A line of the text as it is shown: a row of visible characters.
#[derive(Clone, Copy)]
pub struct ScreenLine {
    letters: [u8; MOST_COLUMNS],
    length: usize,
    tone: Tone,
}

impl ScreenLine {
    const EMPTY: Self = Self { letters: [0; MOST_COLUMNS], length: 0, tone: Tone::Normal };

    /// Calls `each` with the lines of a text on a screen of so many columns. Empty lines are left out, to save room. What is no visible
    /// ASCII character is shown as `?`.
    pub fn each_of(text: &[u8], columns: usize, tone: Tone, mut each: impl FnMut(&Self)) {
        let columns = columns.clamp(1, MOST_COLUMNS);
        // Most texts are such a line. The others may take longer.
        let only = text.strip_suffix(b"\r\n").unwrap_or(text);
        if only.len() <= columns && are_visible(only) {
            if !only.is_empty() {
                let mut line = Self { tone, length: only.len(), ..Self::EMPTY };
                line.letters[..only.len()].copy_from_slice(only);
                each(&line);
            }
            return;
        }
        for letters in text.split(|&letter| letter == b'\n') {
            let letters = letters.strip_suffix(b"\r").unwrap_or(letters);
            if letters.is_empty() {
                continue;
            }
            let mut line = Self { tone, ..Self::EMPTY };
            for &letter in letters {
                if line.length >= columns {
                    each(&line);
                    line.length = 0;
                }
                line.append(letter, columns);
            }
            each(&line);
        }
    }

    fn append(&mut self, letter: u8, columns: usize) {
        let (letter, is_tabulator) = match letter {
            // The further bytes of a character of several bytes.
            0x80..0xc0 => return,
            b'\t' => (b' ', true),
            b' '..=b'~' => (letter, false),
            _ => (b'?', false),
        };
        let count = if is_tabulator { TABULATOR - self.length % TABULATOR } else { 1 };
        let end = (self.length + count).min(columns);
        self.letters[self.length..end].fill(letter);
        self.length = end;
    }
}

/// Returns true if all of these letters are visible ASCII characters. It looks at eight at a time.
fn are_visible(letters: &[u8]) -> bool {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    let (words, rest) = letters.as_chunks::<8>();
    // Of the lowest letter that is none, one of the three has the highest bit: that from 0x80 on, the one below a space, and 0x7f.
    let are_visible = |word: u64| {
        (word | word.wrapping_sub(ONES * u64::from(b' ')) | word.wrapping_add(ONES)) & (ONES << 7) == 0
    };
    words.iter().all(|word| are_visible(u64::from_le_bytes(*word)))
        && rest.iter().all(|letter| (b' '..=b'~').contains(letter))
}

/// What a row of the screen shows.
#[derive(Clone, Copy)]
struct Shown {
    /// The number of the line, counted from 1, or 0 for none.
    line: u64,
    length: usize,
}

/// A row that is to be drawn.
pub struct RowToDraw {
    /// The row of the window.
    pub row: usize,
    /// The letters of the row, with [`RowToDraw::length`].
    letters: [u8; MOST_COLUMNS],
    length: usize,
    /// The cells after the letters that are to be cleared: `usize::MAX` stands for all up to the edge of the screen.
    pub cleared: usize,
    /// The tone of the line.
    pub tone: Tone,
}

impl RowToDraw {
    /// Returns the letters.
    #[must_use]
    pub fn text(&self) -> &[u8] {
        &self.letters[..self.length]
    }
}

/// What [`TextBuffer::next_among`] has found.
#[expect(clippy::large_enum_variant, reason = "it is matched at once, and there may be no heap")]
pub enum NextRow {
    /// This row is to be drawn.
    Draw(RowToDraw),
    /// None of those rows; this one is the next to look at.
    GoOn(usize),
    /// None up to the end.
    Nothing,
}

/// A text of which the last lines are shown in a window of the screen.
pub struct TextBuffer {
    lines: [ScreenLine; MOST_ROWS],
    shown: [Shown; MOST_ROWS],
    /// The number of lines so far. The last one is being written.
    count: u64,
    columns: usize,
    rows: usize,
    /// True if a row may differ from what is shown.
    is_changed: bool,
}

impl TextBuffer {
    /// Returns an empty text without a window.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            lines: [ScreenLine::EMPTY; MOST_ROWS],
            shown: [Shown { line: 0, length: 0 }; MOST_ROWS],
            count: 0,
            columns: 0,
            rows: 0,
            is_changed: false,
        }
    }

    /// Sets the number of columns and rows that the screen shows. Nothing of them is drawn so far.
    pub fn set_window(&mut self, columns: usize, rows: usize) {
        (self.columns, self.rows) = (columns.min(MOST_COLUMNS), rows.min(MOST_ROWS));
        self.shown = [Shown { line: 0, length: UNKNOWN }; MOST_ROWS];
        self.is_changed = true;
    }

    /// Says that it is not known what a row shows: it may have been drawn in part. The row is drawn anew.
    pub fn forget(&mut self, row: usize) {
        if let Some(shown) = self.shown.get_mut(row) {
            *shown = Shown { line: 0, length: UNKNOWN };
            self.is_changed = true;
        }
    }

    /// Appends a line.
    #[inline]
    pub fn push(&mut self, line: &ScreenLine) {
        if self.columns == 0 || self.rows == 0 {
            return;
        }
        self.is_changed = true;
        self.count += 1;
        self.lines[(self.count % MOST_ROWS as u64) as usize] = *line;
    }

    /// Appends the lines of a text.
    pub fn append(&mut self, text: &[u8], tone: Tone) {
        ScreenLine::each_of(text, self.columns, tone, |line| self.push(line));
    }

    /// Returns true if a row may differ from what is shown.
    #[must_use]
    pub const fn is_changed(&self) -> bool {
        self.is_changed
    }

    /// Returns a row that differs from what is shown, from `row` on, and counts it as drawn. Returns `None` if there is none up to the
    /// end.
    #[must_use]
    pub fn next_to_draw(&mut self, row: usize) -> Option<RowToDraw> {
        match self.next_among(row, MOST_ROWS) {
            NextRow::Draw(row) => Some(row),
            NextRow::GoOn(_) | NextRow::Nothing => None,
        }
    }

    /// Does the work of [`TextBuffer::next_to_draw`] for no more than `most` rows.
    #[must_use]
    pub fn next_among(&mut self, row: usize, most: usize) -> NextRow {
        if row == 0 {
            self.is_changed = false;
        }
        let first = (self.count + 1).saturating_sub(self.rows as u64).max(1);
        let end = self.rows.min(row.saturating_add(most));
        for row in row..end {
            let number = first + row as u64;
            let is_there = number <= self.count;
            let line =
                if is_there { &self.lines[(number % MOST_ROWS as u64) as usize] } else { &ScreenLine::EMPTY };
            let number = if is_there { number } else { 0 };
            let shown = &mut self.shown[row];
            let old = *shown;
            if old.line == number && old.length == line.length {
                continue;
            }
            *shown = Shown { line: number, length: line.length };
            let cleared =
                if old.length == UNKNOWN { UNKNOWN } else { old.length.saturating_sub(line.length) };
            let (letters, length, tone) = (line.letters, line.length, line.tone);
            return NextRow::Draw(RowToDraw { row, letters, length, cleared, tone });
        }
        if end < self.rows { NextRow::GoOn(end) } else { NextRow::Nothing }
    }
}

impl Default for TextBuffer {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_letter_at_each_place_counts() {
        for length in 0..24 {
            let mut text = std::vec![b'a'; length];
            assert!(are_visible(&text));
            for place in 0..length {
                for letter in 0..=u8::MAX {
                    text[place] = letter;
                    assert_eq!(are_visible(&text), (b' '..=b'~').contains(&letter), "{letter} at {place}");
                }
                text[place] = if place % 2 == 0 { b' ' } else { b'~' };
            }
        }
    }
}
