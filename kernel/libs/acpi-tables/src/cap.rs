//! Keeps a table with a thousand faults from filling the log.
use crate::{Finding, Findings, Rule, What};

/// Passes on the first findings of each rule and counts the others; [`Capped::finish`] tells of each rule how many more
/// there were.
pub struct Capped<F> {
    findings: F,
    rules: [Told; Rule::ALL.len()],
}

/// What came of one rule.
#[derive(Clone, Copy)]
struct Told {
    count: u32,
    /// The first that was not passed on.
    held_back: Option<Finding>,
}

impl<F: Findings> Capped<F> {
    /// How many findings of a rule are passed on.
    pub const LIMIT: u32 = 16;

    /// Nothing told yet.
    #[must_use]
    pub const fn new(findings: F) -> Self {
        Self { findings, rules: [Told { count: 0, held_back: None }; Rule::ALL.len()] }
    }

    /// Tells how many findings of each rule were held back: one finding for each such rule, at the first one's place.
    pub fn finish(mut self) {
        for Told { count, held_back } in self.rules {
            let Some(first) = held_back else { continue };
            let count = count - Self::LIMIT;
            let what = What::More { rule: first.rule, action: first.action, count };
            self.findings.report(Finding::new(first.table, first.offset, what));
        }
    }
}

impl<F: Findings> Findings for Capped<F> {
    fn report(&mut self, finding: Finding) {
        let told = &mut self.rules[finding.rule as usize];
        told.count = told.count.saturating_add(1);
        if told.count <= Self::LIMIT {
            self.findings.report(finding);
        } else if told.held_back.is_none() {
            told.held_back = Some(finding);
        }
    }
}
