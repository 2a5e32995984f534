//! The width of a text.
use core::fmt::{self, Write};

/// Counts the characters of a text.
#[derive(Default)]
pub struct Count(usize);

impl Count {
    /// Returns how many characters were written.
    pub fn characters(&self) -> usize {
        self.0
    }
}

impl Write for Count {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0 += text.chars().count();
        Ok(())
    }
}
