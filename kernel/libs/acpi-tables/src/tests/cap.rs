//! Findings by the thousand become a few and a count.
use alloc::vec::Vec;

use units::ProximityDomain;

use crate::builder::{TableBuilder, local_apic_affinity};
use crate::{Action, Capped, Finding, Findings, Rule, Signature, What, find_srat};

fn told(report: impl FnOnce(&mut dyn Findings)) -> Vec<Finding> {
    let mut told = Vec::new();
    let mut capped = Capped::new(|finding: Finding| told.push(finding));
    report(&mut capped);
    capped.finish();
    told
}

#[test]
fn as_many_as_the_limit_pass_unchanged() {
    let all = |findings: &mut dyn Findings| {
        for offset in 0..16 {
            findings.report(Finding::new(Signature::SRAT, offset, What::TableDuplicate));
            findings.report(Finding::new(Signature::SLIT, offset, What::SratEmpty));
        }
    };
    let mut expected = Vec::new();
    all(&mut |finding: Finding| expected.push(finding));
    assert_eq!(told(all), expected);
}

#[test]
fn a_thousand_of_one_rule_are_sixteen_and_a_count_and_hide_no_other() {
    let table = TableBuilder::srat(3).entries([[9_u8, 2]; 1000]).entry(&[0_u8, 0]).build();
    let told = told(|findings| {
        let srat = find_srat([&table[..]], findings).expect("the table can be read");
        assert_eq!(srat.entries(findings).count(), 1000);
    });
    assert_eq!(told.len(), 18);
    assert_eq!((told[15].rule, told[15].offset), (Rule::SratEntryType, 48 + 15 * 2));
    assert_eq!(told[16].rule, Rule::SratEntryLength);
    let last = told[17];
    assert_eq!((last.rule, last.action, last.offset), (Rule::SratEntryType, Action::Dropped, 48 + 16 * 2));
    assert_eq!(alloc::format!("{last}"), "and 984 more of this rule");
}

#[test]
fn that_a_table_is_not_read_any_further_comes_through() {
    let short = [0_u8, 2];
    let long = local_apic_affinity(1, ProximityDomain(0));
    let mut long = zerocopy::IntoBytes::as_bytes(&long).to_vec();
    long[1] = 17;
    long.push(0);
    for (end, words) in [
        (&[0_u8, 0][..], "an entry of type 0 has length 0; the table is not read any further"),
        (
            &[8, 9],
            "an entry of type 8 has 9 bytes where the table has 2 left; the table is not read any further",
        ),
        (&[8], "the table ends with half an entry's header"),
    ] {
        let table = TableBuilder::srat(3).entries([short; 20]).entry(&long[..]).entry(end).build();
        let told = told(|findings| {
            let srat = find_srat([&table[..]], findings).expect("the table can be read");
            assert_eq!(srat.entries(findings).count(), 1);
        });
        assert_eq!(told.len(), 16 + 3);
        assert!(told[..16].iter().all(|told| told.action == Action::Dropped));
        assert_eq!(
            (told[16].offset, told[16].action),
            (88, Action::Mended),
            "another action is counted by itself"
        );
        assert_eq!((told[17].offset, alloc::format!("{}", told[17])), (105, words.into()));
        assert_eq!((told[18].offset, told[18].action), (48 + 16 * 2, Action::Dropped));
        assert_eq!(alloc::format!("{}", told[18]), "and 4 more of this rule");
    }
}
