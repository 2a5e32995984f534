//! Reports on both serial ports what is wrong in firmware's tables.
use crate::report::event_stream;
use acpi_tables::{Capped, Finding};
use events::FindingText;

/// Returns a receiver that reports each finding. If a rule has many findings, it reports the first ones and the number of the
/// others.
pub fn reporter() -> Capped<fn(Finding)> {
    Capped::new(report)
}

/// Reports a finding.
pub fn report(finding: Finding) {
    log::warn!(target: "acpi", "{}", finding.in_full());
    event_stream::send(&FindingText::new(&finding).event());
}
