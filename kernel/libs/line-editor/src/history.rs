//! The lines that were entered last.
use crate::line::Line;
use arrayvec::ArrayVec;

/// The most lines.
const MOST: usize = 32;

/// The lines that were entered last, oldest first, and the one that is shown.
#[derive(Clone, Debug, Default)]
pub struct History {
    lines: ArrayVec<Line, MOST>,
    /// How many lines back the shown one is; 0: the line being typed.
    back: usize,
    /// The line being typed, while an older one is shown.
    typed: Line,
}

impl History {
    /// Returns an empty history.
    pub const fn new() -> Self {
        Self { lines: ArrayVec::new_const(), back: 0, typed: Line::new_const() }
    }

    /// Adds a line, unless it is blank or repeats the last one. The line being typed is the next one.
    pub fn add(&mut self, line: &str) {
        self.back = 0;
        if line.trim().is_empty() || self.lines.last().is_some_and(|last| last.as_str() == line) {
            return;
        }
        if self.lines.is_full() {
            self.lines.remove(0);
        }
        if let Ok(line) = Line::from(line) {
            self.lines.push(line);
        }
    }

    /// Returns the line before the shown one. `current` is what is shown.
    pub fn older(&mut self, current: &Line) -> Option<Line> {
        let older = self.lines.len().checked_sub(self.back + 1)?;
        if self.back == 0 {
            self.typed = *current;
        }
        self.back += 1;
        self.lines.get(older).copied()
    }

    /// Returns the line after the shown one; the line being typed comes last.
    pub fn newer(&mut self) -> Option<Line> {
        self.back = self.back.checked_sub(1)?;
        match self.back {
            0 => Some(self.typed),
            back => self.lines.get(self.lines.len() - back).copied(),
        }
    }

    /// Makes the line being typed the shown one.
    pub fn leave(&mut self) {
        self.back = 0;
    }
}
