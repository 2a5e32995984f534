//! Tests that many findings become a few findings and a count.
use alloc::vec::Vec;

use units::ProximityDomain;

use crate::builder::{TableBuilder, local_apic_affinity};
use crate::{Action, Capped, Finding, Findings, Rule, Signature, SratFault, TableFault, find_srat};

fn reported(report: impl FnOnce(&mut dyn Findings)) -> Vec<Finding> {
    let mut reported = Vec::new();
    let mut capped = Capped::new(|finding: Finding| reported.push(finding));
    report(&mut capped);
    capped.finish();
    reported
}

#[test]
fn findings_up_to_the_limit_pass_unchanged() {
    let all = |findings: &mut dyn Findings| {
        for offset in 0..16 {
            findings.report(Finding::new(
                Signature::SRAT,
                offset,
                TableFault::Duplicate { used: 1, other: 2 },
            ));
            findings.report(Finding::new(Signature::SLIT, offset, SratFault::Empty));
        }
    };
    let mut expected = Vec::new();
    all(&mut |finding: Finding| expected.push(finding));
    assert_eq!(reported(all), expected);
}

#[test]
fn a_thousand_findings_of_one_rule_become_sixteen_and_a_count_and_hide_no_other() {
    let table = TableBuilder::srat(3).entries([[9_u8, 2]; 1000]).entry(&[0_u8, 0]).build();
    let reported = reported(|findings| {
        let srat = find_srat([&table[..]], findings).expect("the table can be read");
        assert_eq!(srat.entries(findings).count(), 1000);
    });
    assert_eq!(reported.len(), 18);
    assert_eq!((reported[15].rule, reported[15].offset), (Rule::SratEntryType, 48 + 15 * 2));
    assert_eq!(reported[16].rule, Rule::SratEntryLength);
    let last = reported[17];
    assert_eq!((last.rule, last.action, last.offset), (Rule::SratEntryType, Action::Dropped, 48 + 16 * 2));
    assert_eq!(alloc::format!("{last}"), "and 984 more of this rule");
}

#[test]
fn a_finding_that_ends_a_table_always_passes() {
    let short = [0_u8, 2];
    let long = local_apic_affinity(1, ProximityDomain(0));
    let mut long = zerocopy::IntoBytes::as_bytes(&long).to_vec();
    long[1] = 17;
    long.push(0);
    for (end, sentence) in [
        (&[0_u8, 0][..], "an entry of type 0 has length 0; the rest of the table is skipped"),
        (
            &[8, 9],
            "an entry of type 8 has 9 bytes, but the table has 2 left; the rest of the table is skipped",
        ),
        (&[8], "the table ends within an entry's header"),
    ] {
        let table = TableBuilder::srat(3).entries([short; 20]).entry(&long[..]).entry(end).build();
        let reported = reported(|findings| {
            let srat = find_srat([&table[..]], findings).expect("the table can be read");
            assert_eq!(srat.entries(findings).count(), 1);
        });
        assert_eq!(reported.len(), 16 + 3);
        assert!(reported[..16].iter().all(|reported| reported.action == Action::Dropped));
        assert_eq!(
            (reported[16].offset, reported[16].action),
            (88, Action::Repaired),
            "another action is counted by itself"
        );
        assert_eq!((reported[17].offset, alloc::format!("{}", reported[17])), (105, sentence.into()));
        assert_eq!((reported[18].offset, reported[18].action), (48 + 16 * 2, Action::Dropped));
        assert_eq!(alloc::format!("{}", reported[18]), "and 4 more of this rule");
    }
}
