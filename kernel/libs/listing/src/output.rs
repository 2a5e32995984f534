//! Where a listing goes.

/// The columns that text uses.
pub const COLUMNS: usize = 100;

/// Takes lines, part by part.
pub trait Output {
    /// Takes a part of a line.
    fn put(&mut self, text: &str);
    /// Ends the line.
    fn end_line(&mut self);
}
