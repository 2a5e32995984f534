//! Tests of the MSCT: the limits of a correct one, and the effect of faults.
use alloc::vec::Vec;
use units::ProximityDomain;

use super::{Reported, with_findings};
use crate::Action::Dropped;
use crate::builder::{TableBuilder, msct_domains, seal};
use crate::{MsctDomains, find_msct};

fn read(table: &[u8]) -> (Vec<MsctDomains>, Vec<Reported>) {
    with_findings(|findings| {
        let msct = find_msct([table], findings).expect("the table can be read");
        msct.domains(findings).collect()
    })
}

fn domains(first: u32, last: u32, offset: u32) -> MsctDomains {
    let (first, last) = (ProximityDomain(first), ProximityDomain(last));
    MsctDomains { first, last, max_cpus: 64, max_memory: 1 << 40, offset }
}

#[test]
fn limits_are_read_in_full() {
    let table = TableBuilder::msct(128, 1, 0xfff_ffff_ffff)
        .entry(&msct_domains(0, 3, 64, 1 << 40))
        .entry(&msct_domains(4, u32::MAX, 64, 1 << 40))
        .build();
    let (limits, reported) = with_findings(|findings| {
        find_msct([&table[..]], findings)
            .map(|msct| (msct.max_domains(), msct.max_clock_domains(), msct.max_address()))
    });
    assert_eq!((limits, reported), (Some((128, 1, 0xfff_ffff_ffff)), Vec::new()));
    assert_eq!(read(&table), ([domains(0, 3, 56), domains(4, u32::MAX, 78)].to_vec(), Vec::new()));
}

#[test]
fn the_highest_number_of_domains_does_not_overflow() {
    let table = TableBuilder::msct(0, 0, 0).build();
    let (limit, _) =
        with_findings(|findings| find_msct([&table[..]], findings).map(|msct| msct.max_domains()));
    assert_eq!(limit, Some(1 << 32));
}

#[test]
fn domains_are_read_at_the_offset_in_the_table() {
    let mut table =
        TableBuilder::msct(1, 1, 0).entry(&[0xff_u8; 8]).entry(&msct_domains(0, 3, 64, 1 << 40)).build();
    table[36] = 64;
    seal(&mut table);
    assert_eq!(read(&table), ([domains(0, 3, 64)].to_vec(), Vec::new()));
}

#[test]
fn an_offset_in_the_header_or_past_the_end_costs_all_domains() {
    for offset in [0_u32, 55, 79, u32::MAX] {
        let mut table = TableBuilder::msct(1, 1, 0).entry(&msct_domains(0, 3, 64, 1 << 40)).build();
        table[36..40].copy_from_slice(&offset.to_le_bytes());
        seal(&mut table);
        assert_eq!(read(&table), (Vec::new(), [(36, "msct.domains", Dropped)].to_vec()), "offset {offset}");
    }
}

#[test]
fn a_range_that_ends_before_it_starts_and_a_short_entry_cost_only_themselves() {
    let mut short = msct_domains(0, 0, 0, 0);
    short.length = 21;
    let table = TableBuilder::msct(1, 1, 0)
        .entry(&msct_domains(4, 3, 64, 1 << 40))
        .entry(&zerocopy::IntoBytes::as_bytes(&short)[..21])
        .entry(&msct_domains(5, 5, 64, 1 << 40))
        .build();
    let reported = [(56, "msct.domains", Dropped), (78, "msct.entry.length", Dropped)];
    assert_eq!(read(&table), ([domains(5, 5, 99)].to_vec(), reported.to_vec()));
}

#[test]
fn an_entry_past_the_end_costs_only_itself() {
    let mut past = msct_domains(0, 3, 64, 1 << 40);
    past.length = 0xff;
    let table = TableBuilder::msct(1, 1, 0).entry(&past).entry(&msct_domains(5, 5, 64, 1 << 40)).build();
    assert_eq!(read(&table), ([domains(5, 5, 78)].to_vec(), [(56, "msct.entry.length", Dropped)].to_vec()));
}
