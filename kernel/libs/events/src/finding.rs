//! A finding as its event, without the heap: findings are told before there is one.
use core::fmt::{self, Display, Write};

use acpi_tables::Finding;
use arrayvec::ArrayString;

use crate::Event;

/// Letters of a signature, each escaped at worst.
const TABLE: usize = 16;
/// Letters of a finding's prose; what is longer is cut.
const WHAT: usize = 256;

/// The words of a finding.
#[derive(Clone, Debug)]
pub struct FindingWords {
    finding: Finding,
    table: ArrayString<TABLE>,
    what: ArrayString<WHAT>,
}

impl FindingWords {
    /// Writes the words out.
    #[must_use]
    pub fn new(finding: &Finding) -> Self {
        Self { finding: *finding, table: cut(&finding.table), what: cut(finding) }
    }

    /// The finding's event.
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

/// As much of the value's words as has room.
fn cut<const N: usize>(value: &impl Display) -> ArrayString<N> {
    struct Cut<const N: usize>(ArrayString<N>);
    impl<const N: usize> Write for Cut<N> {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            text.chars().try_for_each(|letter| self.0.try_push(letter)).map_err(|_| fmt::Error)
        }
    }
    let mut words = Cut(ArrayString::new());
    // An error says that the room is full.
    let _ = write!(words, "{value}");
    words.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use acpi_tables::{Signature, What};
    use units::{ApicId, ProximityDomain};

    #[test]
    fn a_finding_has_its_words_and_a_signature_that_is_no_text_is_escaped_whole() {
        let what = What::CpuDuplicate { apic_id: ApicId(7) };
        let finding = Finding::new(Signature(*b"\xff\xfe\xfd\xfc"), 44, what);
        let words = FindingWords::new(&finding);
        let Event::Finding { table, offset, rule, action, what } = words.event() else {
            panic!("another event")
        };
        assert_eq!((&table[..], offset, &action[..]), (r"\xff\xfe\xfd\xfc", 44, "dropped"));
        assert_eq!((&rule[..], &what[..]), (finding.rule.id(), &alloc::format!("{finding}")[..]));
    }

    #[test]
    fn words_that_are_too_long_are_cut_between_letters() {
        assert_eq!(&cut::<4>(&"aböcd")[..], "abö");
        assert_eq!(&cut::<3>(&ProximityDomain(12_345))[..], "123");
    }
}
