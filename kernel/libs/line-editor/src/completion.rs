//! Completion of a word: what all candidates that begin with it have in common.
use crate::line::Line;

/// What is known of a word's candidates.
#[derive(Clone, Copy, Debug)]
pub struct Completion<'w> {
    word: &'w str,
    /// What all candidates begin with.
    common: Line,
    count: usize,
}

impl<'w> Completion<'w> {
    /// Returns the completion of a word without candidates.
    #[must_use]
    pub fn new(word: &'w str) -> Self {
        Self { word, common: Line::new(), count: 0 }
    }

    /// Offers a candidate. It counts if it begins with the word and is printable ASCII.
    pub fn offer(&mut self, candidate: &str) {
        let is_printable = candidate.bytes().all(|byte| matches!(byte, 0x21..0x7f));
        if !is_printable || !candidate.starts_with(self.word) {
            return;
        }
        self.count += 1;
        match self.count {
            1 => match Line::from(candidate) {
                Ok(common) => self.common = common,
                Err(_) => self.count = 0,
            },
            _ => {
                let same =
                    self.common.bytes().zip(candidate.bytes()).take_while(|(left, right)| left == right);
                self.common.truncate(same.count());
            }
        }
    }

    /// Returns the rest of what all candidates have in common, and whether there is only one. `None` without a candidate.
    pub(crate) fn result(&self) -> Option<(&str, bool)> {
        (self.count > 0).then(|| (&self.common[self.word.len()..], self.count == 1))
    }
}
