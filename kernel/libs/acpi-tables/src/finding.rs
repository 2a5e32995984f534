//! What a reader of tables reports: where something was wrong, which rule it broke, and what was done.
use core::fmt;

use crate::{Rule, Signature, What};

/// What was done about a finding.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Action {
    /// It was put right, and the rest of what it is about is used.
    Mended,
    /// One entry was left out.
    Dropped,
    /// The whole table was left out.
    Refused,
}

impl Action {
    /// All of them, in order.
    pub const ALL: [Self; 3] = [Self::Mended, Self::Dropped, Self::Refused];

    /// The word in the event stream.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mended => "mended",
            Self::Dropped => "dropped",
            Self::Refused => "refused",
        }
    }
}

/// One thing in firmware's tables that was not as it should be. Displays as one line of plain words, without the
/// table, the rule and the action.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Finding {
    /// The table that is at fault.
    pub table: Signature,
    /// Bytes from the table's start to the wrong entry or field; 0 where it is about no entry in particular.
    pub offset: u32,
    /// The rule that was broken.
    pub rule: Rule,
    /// What was done about it.
    pub action: Action,
    /// What was wrong, with its numbers.
    pub what: What,
}

impl Finding {
    /// The finding that this is wrong at that place; rule and action follow from it.
    #[must_use]
    pub const fn new(table: Signature, offset: u32, what: What) -> Self {
        let (rule, action) = what.verdict(table);
        Self { table, offset, rule, action, what }
    }

    /// The finding as one line with all of it: `SRAT at 0x68: what was wrong [rule, action]`.
    #[must_use]
    pub fn in_full(&self) -> impl fmt::Display {
        let Self { table, offset, rule, action, .. } = *self;
        fmt::from_fn(move |out| {
            write!(out, "{table} at {offset:#x}: {self} [{}, {}]", rule.id(), action.as_str())
        })
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.what.fmt(out)
    }
}

/// Who is told of findings; any closure that takes a [`Finding`].
pub trait Findings {
    /// Takes one finding.
    fn report(&mut self, finding: Finding);
}

impl<F: FnMut(Finding)> Findings for F {
    fn report(&mut self, finding: Finding) {
        self(finding);
    }
}
