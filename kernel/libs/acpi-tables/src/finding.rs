//! A finding: where a table is wrong, which rule it breaks, and what was done about it.
use core::fmt;

use crate::{Action, Fault, Rule, Signature};

/// One fault in firmware's tables. Displays as one line of plain words, without the table, the rule and the action.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Finding {
    /// The table with the fault.
    pub table: Signature,
    /// Bytes from the table's start to the faulty entry or field, or 0 if the finding concerns no single entry.
    pub offset: u32,
    /// The rule that the table breaks.
    pub rule: Rule,
    /// What was done about the fault.
    pub action: Action,
    /// The fault with its numbers.
    pub fault: Fault,
}

impl Finding {
    /// Creates a finding. The fault and the table determine the rule and the action.
    #[must_use]
    pub fn new(table: Signature, offset: u32, fault: impl Into<Fault>) -> Self {
        let fault = fault.into();
        let (rule, action) = fault.verdict(table);
        Self { table, offset, rule, action, fault }
    }

    /// Displays the finding with all of its parts: `SRAT at 0x68: what is wrong [rule, action]`.
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
        self.fault.fmt(out)
    }
}

/// A receiver of findings. Every closure that takes a [`Finding`] is one.
pub trait Findings {
    /// Takes one finding.
    fn report(&mut self, finding: Finding);
}

impl<F: FnMut(Finding)> Findings for F {
    fn report(&mut self, finding: Finding) {
        self(finding);
    }
}
