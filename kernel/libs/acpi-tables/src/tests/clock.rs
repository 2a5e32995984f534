//! Tests of the tables that describe clocks: the place of the HPET and of the PM timer, and the effect of faults.
use alloc::vec::Vec;
use proptest::prelude::*;
use units::PhysAddr;

use super::with_findings;
use crate::Action::{Refused, Repaired};
use crate::builder::{TableBuilder, generic_address, seal};
use crate::wire::GenericAddress;
use crate::{PmTimer, find_hpet, find_pm_timer};

const HPET: u64 = 0xfed0_0000;
/// The PM timer's port on QEMU's q35.
const PORT: u16 = 0x608;
/// Bytes of a FADT between the end of revision 1 and the PM timer's extended place.
const BETWEEN: [u8; 92] = [0; 92];

fn timer(table: &[u8]) -> Option<PmTimer> {
    let (timer, reported) = with_findings(|findings| find_pm_timer([table], findings));
    assert_eq!(reported, []);
    timer
}

fn extended(place: &GenericAddress) -> Vec<u8> {
    TableBuilder::fadt(0x1234).entry(&BETWEEN).entry(place).build()
}

#[test]
fn the_hpets_place_is_read() {
    let table = TableBuilder::hpet(HPET).build();
    let found = with_findings(|findings| find_hpet([&table[..]], findings));
    assert_eq!(found, (Some(PhysAddr(HPET)), Vec::new()));
}

#[test]
fn of_several_hpets_the_first_is_used_and_that_is_no_fault() {
    let (first, second) = (TableBuilder::hpet(HPET).build(), TableBuilder::hpet(HPET + 0x1000).build());
    let found = with_findings(|findings| find_hpet([&first[..], &second[..]], findings));
    assert_eq!(found, (Some(PhysAddr(HPET)), Vec::new()));
}

#[test]
fn an_hpet_that_is_nowhere_or_not_in_memory_does_not_exist() {
    let mut at_port = TableBuilder::hpet(HPET).build();
    at_port[40] = GenericAddress::IO_PORT;
    seal(&mut at_port);
    for table in [TableBuilder::hpet(0).build(), at_port] {
        let found = with_findings(|findings| find_hpet([&table[..]], findings));
        assert_eq!(found, (None, Vec::new()));
    }
}

#[test]
fn the_pm_timers_port_is_read_from_a_table_of_revision_1() {
    let mut table = TableBuilder::fadt(PORT.into()).build();
    assert_eq!(timer(&table), Some(PmTimer { port: PORT, bits: 24 }));
    // Bit 8 of the flags.
    table[113] = 1;
    seal(&mut table);
    assert_eq!(timer(&table), Some(PmTimer { port: PORT, bits: 32 }));
}

#[test]
fn the_extended_place_replaces_the_port_unless_it_is_0() {
    let place = |space, address| extended(&generic_address(space, address));
    let at = |port| Some(PmTimer { port, bits: 24 });
    assert_eq!(timer(&place(GenericAddress::IO_PORT, PORT.into())), at(PORT));
    assert_eq!(timer(&place(GenericAddress::IO_PORT, 0)), at(0x1234));
    assert_eq!(timer(&place(GenericAddress::MEMORY, HPET)), None);
    assert_eq!(timer(&place(GenericAddress::IO_PORT, 0x1_0000)), None);
}

#[test]
fn a_machine_without_a_pm_timer_has_none() {
    let mut without_length = TableBuilder::fadt(PORT.into()).build();
    without_length[91] = 0;
    seal(&mut without_length);
    let mut reduced = TableBuilder::fadt(PORT.into()).build();
    // Bit 20 of the flags.
    reduced[114] = 1 << 4;
    seal(&mut reduced);
    for table in [without_length, reduced, TableBuilder::fadt(0).build()] {
        assert_eq!(timer(&table), None);
    }
}

#[test]
fn of_two_fadts_the_one_with_a_pm_timer_is_used() {
    let (without, with) = (TableBuilder::fadt(0).build(), TableBuilder::fadt(PORT.into()).build());
    for tables in [[&without[..], &with[..]], [&with[..], &without[..]]] {
        let (timer, reported) = with_findings(|findings| find_pm_timer(tables, findings));
        assert_eq!(timer, Some(PmTimer { port: PORT, bits: 24 }));
        assert_eq!(reported, [(0, "table.duplicate", Refused)]);
    }
}

#[test]
fn faulty_tables_are_reported() {
    let mut table = TableBuilder::hpet(HPET).build();
    table[9] ^= 0xff;
    let (found, reported) = with_findings(|findings| find_hpet([&table[..]], findings));
    assert_eq!((found, reported), (Some(PhysAddr(HPET)), [(9, "table.checksum", Repaired)].to_vec()));
    let mut short = TableBuilder::fadt(PORT.into()).build();
    short[4] = 115;
    let (found, reported) = with_findings(|findings| find_pm_timer([&short[..]], findings));
    assert_eq!((found, reported), (None, [(4, "table.length", Refused)].to_vec()));
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_a_panic(bytes: Vec<u8>, fadt: bool) {
        let mut table = if fadt { b"FACP".to_vec() } else { b"HPET".to_vec() };
        table.extend((table.len() as u32 + bytes.len() as u32).to_le_bytes());
        table.extend(bytes);
        let (hpet, _) = with_findings(|findings| find_hpet([&table[..]], findings));
        prop_assert_ne!(hpet, Some(PhysAddr(0)));
        let (timer, _) = with_findings(|findings| find_pm_timer([&table[..]], findings));
        prop_assert!(timer.is_none_or(|timer| timer.port != 0 && [24, 32].contains(&timer.bits)));
    }
}
