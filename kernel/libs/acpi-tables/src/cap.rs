//! Limits the number of reported findings, so that a table with a thousand faults does not fill the log.
use crate::{Action, Fault, Finding, Findings, Rule, Signature};

/// A filter that passes the first [`Capped::LIMIT`] findings of each rule and action, and counts the others.
///
/// [`Capped::finish`] reports how many findings were counted. A finding that ends a table always passes, because each
/// table has at most one.
pub struct Capped<F> {
    findings: F,
    reported: [[Reported; Action::ALL.len()]; Rule::ALL.len()],
}

/// The findings of one rule and action.
#[derive(Clone, Copy)]
struct Reported {
    count: u32,
    /// The table and the offset of the first finding that did not pass.
    table: Signature,
    offset: u32,
}

impl Reported {
    const NOTHING: Self = Self { count: 0, table: Signature::SRAT, offset: 0 };
}

impl<F: Findings> Capped<F> {
    /// How many findings of each rule and action pass.
    pub const LIMIT: u32 = 16;

    /// Creates a filter in front of `findings`.
    #[must_use]
    pub const fn new(findings: F) -> Self {
        Self { findings, reported: [[Reported::NOTHING; Action::ALL.len()]; Rule::ALL.len()] }
    }

    /// Reports how many findings did not pass: one finding for each rule and action, at the position of the first.
    pub fn finish(mut self) {
        for (reported, &rule) in self.reported.iter().zip(Rule::ALL) {
            for (&Reported { count, table, offset }, action) in reported.iter().zip(Action::ALL) {
                if count > Self::LIMIT {
                    let fault = Fault::More { rule, action, count: count - Self::LIMIT };
                    self.findings.report(Finding::new(table, offset, fault));
                }
            }
        }
    }
}

impl<F: Findings> Findings for Capped<F> {
    fn report(&mut self, finding: Finding) {
        if finding.fault.ends_table() {
            return self.findings.report(finding);
        }
        let reported = &mut self.reported[finding.rule as usize][finding.action as usize];
        reported.count = reported.count.saturating_add(1);
        if reported.count <= Self::LIMIT {
            self.findings.report(finding);
        } else if reported.count == Self::LIMIT + 1 {
            (reported.table, reported.offset) = (finding.table, finding.offset);
        }
    }
}
