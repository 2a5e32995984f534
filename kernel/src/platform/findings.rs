//! Tells on both serial ports what was wrong in firmware's tables.
use crate::report::event_stream;
use acpi_tables::{Capped, Finding};
use events::FindingText;

/// Takes findings and reports each, but of a rule's many only the first ones and how many more there were.
pub fn reporter() -> Capped<fn(Finding)> {
    Capped::new(report)
}

fn report(finding: Finding) {
    log::warn!(target: "acpi", "{}", finding.in_full());
    event_stream::send(&FindingText::new(&finding).event());
}
