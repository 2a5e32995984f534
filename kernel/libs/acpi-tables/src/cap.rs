//! Keeps a table with a thousand faults from filling the log.
use crate::{Action, Finding, Findings, Rule, Signature, What};

/// Passes on the first findings of each rule and action and counts the others; [`Capped::finish`] tells of each how many
/// more there were. That a table is not read any further always comes through: it is told once a table at most.
pub struct Capped<F> {
    findings: F,
    told: [[Told; Action::ALL.len()]; Rule::ALL.len()],
}

/// What came of one rule and action.
#[derive(Clone, Copy)]
struct Told {
    count: u32,
    /// Where the first is that was not passed on, if there is one.
    table: Signature,
    offset: u32,
}

impl Told {
    const NOTHING: Self = Self { count: 0, table: Signature::SRAT, offset: 0 };
}

impl<F: Findings> Capped<F> {
    /// How many findings of a rule and action are passed on.
    pub const LIMIT: u32 = 16;

    /// Nothing told yet.
    #[must_use]
    pub const fn new(findings: F) -> Self {
        Self { findings, told: [[Told::NOTHING; Action::ALL.len()]; Rule::ALL.len()] }
    }

    /// Tells how many findings were held back: one finding for each rule and action, at the first one's place.
    pub fn finish(mut self) {
        for (told, &rule) in self.told.iter().zip(Rule::ALL) {
            for (&Told { count, table, offset }, action) in told.iter().zip(Action::ALL) {
                if count > Self::LIMIT {
                    let what = What::More { rule, action, count: count - Self::LIMIT };
                    self.findings.report(Finding::new(table, offset, what));
                }
            }
        }
    }
}

impl<F: Findings> Findings for Capped<F> {
    fn report(&mut self, finding: Finding) {
        if finding.what.ends_table() {
            return self.findings.report(finding);
        }
        let told = &mut self.told[finding.rule as usize][finding.action as usize];
        told.count = told.count.saturating_add(1);
        if told.count <= Self::LIMIT {
            self.findings.report(finding);
        } else if told.count == Self::LIMIT + 1 {
            (told.table, told.offset) = (finding.table, finding.offset);
        }
    }
}
