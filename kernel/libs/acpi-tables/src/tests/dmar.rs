//! Tests of the DMAR: firmware's wish to keep the APICs in xAPIC mode.
use alloc::vec::Vec;

use super::with_findings;
use crate::Action::Refused;
use crate::builder::TableBuilder;
use crate::opts_out_of_x2apic;

#[test]
fn only_bit_1_of_the_flags_opts_out() {
    for flags in 0..=u8::MAX {
        let table = TableBuilder::dmar(flags).build();
        let found = with_findings(|findings| opts_out_of_x2apic([&table[..]], findings));
        assert_eq!(found, (flags & 2 != 0, Vec::new()), "{flags:#x}");
    }
}

#[test]
fn without_the_table_nothing_opts_out() {
    assert_eq!(with_findings(|findings| opts_out_of_x2apic([], findings)), (false, Vec::new()));
}

#[test]
fn a_table_shorter_than_its_header_does_not_opt_out() {
    let table = TableBuilder::dmar(2).build();
    let (found, reported) = with_findings(|findings| opts_out_of_x2apic([&table[..40]], findings));
    assert!(!found);
    assert_eq!(
        reported.iter().map(|(_, rule, action)| (*rule, *action)).next(),
        Some(("table.length", Refused))
    );
}
