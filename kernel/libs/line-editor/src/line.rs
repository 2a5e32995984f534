//! The text of a line.
use arrayvec::ArrayString;

/// The most characters of a line. Further ones are not taken.
pub const LONGEST_LINE: usize = 240;

/// A line of printable ASCII.
pub type Line = ArrayString<LONGEST_LINE>;
