//! Cells and columns.
use crate::count::Count;
use core::fmt::{self, Display};

/// One value of a row.
#[derive(Clone, Copy)]
pub enum Cell<'a> {
    /// A text.
    Text(&'a str),
    /// Something that has a text.
    Shown(&'a dyn Display),
    /// A number.
    Number(u64),
    /// A number that may be negative.
    Signed(i64),
    /// A number of tenths, as 125 for 12.5.
    Tenths(u64),
    /// Yes or no.
    Flag(bool),
    /// There is no value: a dash in text, null in JSON.
    Missing,
}

impl<'a> Cell<'a> {
    /// Returns the cell of a count or an index.
    #[must_use]
    pub const fn count(count: usize) -> Self {
        Self::Number(count as u64)
    }

    /// Returns the cell of a number that may be unknown.
    #[must_use]
    pub fn number(number: Option<impl Into<u64>>) -> Self {
        number.map_or(Self::Missing, |number| Self::Number(number.into()))
    }

    /// Returns the cell of a text that may be missing.
    #[must_use]
    pub fn text(text: Option<&'a str>) -> Self {
        text.map_or(Self::Missing, Self::Text)
    }

    /// Returns the number of characters of the text.
    pub(crate) fn width(&self) -> usize {
        let mut count = Count::default();
        // A value's own formatting may fail; its text ends there, then.
        let _ = fmt::write(&mut count, format_args!("{self}"));
        count.characters()
    }
}

impl Display for Cell<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text("") | Self::Missing => out.write_str("-"),
            Self::Text(text) => out.write_str(text),
            Self::Shown(shown) => shown.fmt(out),
            Self::Number(number) => number.fmt(out),
            Self::Signed(number) => number.fmt(out),
            Self::Tenths(tenths) => write!(out, "{}.{}", tenths / 10, tenths % 10),
            Self::Flag(flag) => out.write_str(if *flag { "yes" } else { "no" }),
        }
    }
}

/// A column of a table.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// The name of the field in JSON, and the title in text, where underscores are spaces.
    pub key: &'static str,
    /// True for numbers: they end in one column.
    pub is_right: bool,
}

impl Column {
    /// Returns a column of texts.
    #[must_use]
    pub const fn text(key: &'static str) -> Self {
        Self { key, is_right: false }
    }

    /// Returns a column of numbers.
    #[must_use]
    pub const fn number(key: &'static str) -> Self {
        Self { key, is_right: true }
    }
}
