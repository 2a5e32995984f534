//! The event of a finding. It needs no heap, because the kernel reports findings before it has one.
use core::fmt::{self, Display, Write};

use acpi_tables::Finding;
use arrayvec::ArrayString;

use crate::Event;

/// Bytes of a signature as text, if each letter is escaped.
const TABLE: usize = 16;
/// The highest number of bytes of a finding's sentence. A longer sentence is cut.
const WHAT: usize = 256;

/// The text of a finding.
#[derive(Clone, Debug)]
pub struct FindingText {
    finding: Finding,
    table: ArrayString<TABLE>,
    what: ArrayString<WHAT>,
}

impl FindingText {
    /// Writes the text of a finding.
    #[must_use]
    pub fn new(finding: &Finding) -> Self {
        Self { finding: *finding, table: cut(&finding.table), what: cut(finding) }
    }

    /// Returns the finding's event.
    #[must_use]
    pub fn event(&self) -> Event<'_> {
        Event::Finding {
            table: self.table.as_str().into(),
            offset: self.finding.offset,
            rule: self.finding.rule.id().into(),
            action: self.finding.action.as_str().into(),
            what: self.what.as_str().into(),
        }
    }
}

/// Returns as much of the value's text as there is room for.
fn cut<const N: usize>(value: &impl Display) -> ArrayString<N> {
    struct Cut<const N: usize>(ArrayString<N>);
    impl<const N: usize> Write for Cut<N> {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            text.chars().try_for_each(|letter| self.0.try_push(letter)).map_err(|_| fmt::Error)
        }
    }
    let mut text = Cut(ArrayString::new());
    // An error means that there is no more room.
    let _ = write!(text, "{value}");
    text.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use acpi_tables::{MadtFault, Signature};
    use units::{ApicId, ProximityDomain};

    #[test]
    fn an_event_has_the_findings_sentence_and_an_unprintable_signature_is_escaped() {
        let fault = MadtFault::Duplicate { apic_id: ApicId(7) };
        let finding = Finding::new(Signature(*b"\xff\xfe\xfd\xfc"), 44, fault);
        let text = FindingText::new(&finding);
        let Event::Finding { table, offset, rule, action, what } = text.event() else {
            panic!("another event")
        };
        assert_eq!((&table[..], offset, &action[..]), (r"\xff\xfe\xfd\xfc", 44, "dropped"));
        assert_eq!((&rule[..], &what[..]), (finding.rule.id(), &alloc::format!("{finding}")[..]));
    }

    #[test]
    fn text_that_is_too_long_is_cut_between_letters() {
        assert_eq!(&cut::<4>(&"aböcd")[..], "abö");
        assert_eq!(&cut::<3>(&ProximityDomain(12_345))[..], "123");
    }
}
