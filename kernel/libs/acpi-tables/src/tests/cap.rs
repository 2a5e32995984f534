//! Findings by the thousand become a few and a count.
use alloc::vec::Vec;

use crate::builder::TableBuilder;
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
