//! Tells on both serial ports what was wrong in firmware's tables.
use crate::event_stream;
use acpi_tables::{Capped, Finding};
use arrayvec::ArrayString;
use core::fmt::Write;
use events::Event;

/// Longest prose of a finding; what is longer is cut.
const WORDS: usize = 256;

/// Takes findings and reports each, but of a rule's many only the first ones and how many more there were.
pub fn reporter() -> Capped<fn(Finding)> {
    Capped::new(report)
}

fn report(finding: Finding) {
    let table: ArrayString<32> = cut(&finding.table);
    let what: ArrayString<WORDS> = cut(&finding);
    let (rule, action) = (finding.rule.id(), finding.action.as_str());
    log::warn!(target: "acpi", "{table} at {:#x}: {what} [{rule}, {action}]", finding.offset);
    event_stream::send(&Event::Finding {
        table: table.as_str().into(),
        offset: finding.offset,
        rule: rule.into(),
        action: action.into(),
        what: what.as_str().into(),
    });
}

/// As much of the value's words as has room.
fn cut<const N: usize>(value: &impl core::fmt::Display) -> ArrayString<N> {
    struct Cut<const N: usize>(ArrayString<N>);
    impl<const N: usize> Write for Cut<N> {
        fn write_str(&mut self, text: &str) -> core::fmt::Result {
            text.chars().try_for_each(|letter| self.0.try_push(letter)).map_err(|_| core::fmt::Error)
        }
    }
    let mut words = Cut(ArrayString::new());
    // An error says that the room is full.
    let _ = write!(words, "{value}");
    words.0
}
