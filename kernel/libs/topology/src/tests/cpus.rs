//! CPUs: their numbering, and the ones on which MADT and SRAT do not agree.
use acpi_tables::Action::{Dropped, Mended};
use acpi_tables::builder::{TableBuilder, local_apic, local_x2apic};
use std::vec::Vec;
use units::ApicId;

use super::machine::*;

/// An SRAT of two nodes with memory, and these entries before it.
fn srat<T: zerocopy::IntoBytes + zerocopy::Immutable>(entries: impl IntoIterator<Item = T>) -> TableBuilder {
    TableBuilder::srat(3).entries(entries).entry(&memory(0, MIB, 0)).entry(&memory(MIB, MIB, 1))
}

#[test]
fn ids_follow_the_madts_enabled_entries_and_the_boot_cpu_is_not_moved() {
    let madt = TableBuilder::madt()
        .entry(&local_apic(0, 6))
        .entry(&absent_cpu(9))
        .entry(&local_x2apic(1, ApicId(0x100)))
        .entry(&local_apic(2, 0));
    let machine = Machine {
        boot_cpu: Some(ApicId(0)),
        ..Machine::of(srat([cpu(6, 1), cpu(0x100, 0), cpu(0, 1)]), madt)
    };
    let (topology, told) = machine.build();
    check(&topology, &[]);
    assert_eq!((placed(&topology), told), ([(6, 1), (0x100, 0), (0, 1)].to_vec(), [].to_vec()));
}

#[test]
fn a_second_cpu_with_the_same_apic_id_is_dropped() {
    let madt = TableBuilder::madt()
        .entries([local_apic(1, 1), local_apic(2, 1), local_apic(3, 3)])
        .entry(&local_x2apic(4, ApicId(3)));
    let (topology, told) = Machine::of(srat([cpu(1, 0), cpu(3, 1)]), madt).build();
    assert_eq!(placed(&topology), [(1, 0), (3, 1)]);
    assert_eq!(topology.cpus()[0].acpi_processor_uid, Some(1));
    let id = "madt.cpu.duplicate";
    assert_eq!(told, [(52, id, Dropped), (68, id, Dropped)]);
}

#[test]
fn the_apic_id_of_all_cpus_names_none() {
    let madt = TableBuilder::madt()
        .entries([local_apic(0, 0), local_apic(1, 0xff)])
        .entries([local_x2apic(2, ApicId(u32::MAX)), local_x2apic(3, ApicId(0xff))]);
    let (topology, told) = Machine::of(srat([cpu(0, 0), cpu(0xff, 1)]), madt).build();
    assert_eq!(placed(&topology), [(0, 0), (0xff, 1)]);
    let id = "madt.cpu.apic-id";
    assert_eq!(told, [(52, id, Dropped), (60, id, Dropped)]);
}

#[test]
fn a_cpu_missing_from_the_srat_goes_beside_the_one_with_the_next_lower_apic_id() {
    let (topology, told) = Machine::of(srat([cpu(2, 0), cpu(4, 1)]), cpus([5, 4, 3, 2, 1])).build();
    check(&topology, &[]);
    assert_eq!(placed(&topology), [(5, 1), (4, 1), (3, 0), (2, 0), (1, 0)]);
    assert_eq!(told, [(0, "srat.cpu.missing", Mended); 3]);
}

#[test]
fn without_any_cpu_in_the_srat_all_go_to_the_first_node() {
    let entries: [[u8; 0]; 0] = [];
    let (topology, told) = Machine::of(srat(entries), cpus([0, 1])).build();
    assert_eq!(placed(&topology), [(0, 0), (1, 0)]);
    assert_eq!(told, [(0, "srat.cpu.missing", Mended); 2]);
}

#[test]
fn a_cpu_disabled_in_the_srat_is_missing_from_it() {
    let mut disabled = cpu(1, 1);
    disabled.flags = 0.into();
    let (topology, told) = Machine::of(srat([cpu(0, 0), disabled]), cpus([0, 1])).build();
    assert_eq!(placed(&topology), [(0, 0), (1, 0)]);
    assert_eq!(told, [(0, "srat.cpu.missing", Mended)]);
}

#[test]
fn a_cpu_disabled_in_the_madt_is_not_there_and_nothing_is_wrong_with_that() {
    let madt = cpus([0]).entry(&absent_cpu(1)).entry(&absent_cpu(2));
    let (topology, told) = Machine::of(srat([cpu(0, 0), cpu(1, 1), cpu(2, 1)]), madt).build();
    assert_eq!((placed(&topology), told), ([(0, 0)].to_vec(), [].to_vec()));
}

#[test]
fn an_srat_cpu_that_no_madt_entry_has_is_dropped() {
    let (topology, told) = Machine::of(srat([cpu(7, 1), cpu(0, 0)]), cpus([0])).build();
    assert_eq!(placed(&topology), [(0, 0)]);
    assert_eq!(told, [(48, "srat.cpu.unknown", Dropped)]);
}

#[test]
fn of_two_domains_for_one_cpu_the_lower_is_used() {
    for (entries, offset) in [([cpu(0, 1), cpu(0, 0)], 48), ([cpu(0, 0), cpu(0, 1)], 72)] {
        let (topology, told) = Machine::of(srat(entries), cpus([0])).build();
        assert_eq!(placed(&topology), [(0, 0)]);
        assert_eq!(told, [(offset, "srat.cpu.duplicate", Dropped)]);
    }
    let (_, told) = Machine::of(srat([cpu(0, 1), cpu(0, 1)]), cpus([0])).build();
    assert_eq!(told, [], "saying it twice is no contradiction");
}

#[test]
fn the_boot_cpu_is_there_whatever_the_madt_says() {
    let machine =
        Machine { boot_cpu: Some(ApicId(9)), ..Machine::of(srat([cpu(0, 0), cpu(9, 1)]), cpus([0])) };
    let (topology, told) = machine.build();
    assert_eq!(placed(&topology), [(0, 0), (9, 1)]);
    assert_eq!(topology.cpus()[1].acpi_processor_uid, None);
    assert_eq!(told, [(0, "madt.cpu.boot", Mended)]);
}

#[test]
fn without_a_madt_the_boot_cpu_is_alone() {
    let machine = Machine {
        madt: None,
        boot_cpu: Some(ApicId(1)),
        ..Machine::of(srat([cpu(0, 0), cpu(1, 1)]), TableBuilder::madt())
    };
    let (topology, told) = machine.build();
    assert_eq!((placed(&topology), told), ([(1, 1)].to_vec(), [].to_vec()));
}

#[test]
fn without_a_madt_and_a_boot_cpu_the_cpus_are_the_srats_by_apic_id() {
    let machine =
        Machine { madt: None, ..Machine::of(srat([cpu(8, 1), cpu(2, 0), cpu(2, 0)]), TableBuilder::madt()) };
    let (topology, told) = machine.build();
    check(&topology, &[]);
    assert_eq!((placed(&topology), told), ([(2, 0), (8, 1)].to_vec(), [].to_vec()));
}

#[test]
fn cpus_beyond_the_room_for_them_are_dropped_but_never_the_boot_cpu() {
    let count = crate::MAX_CPUS as u32 + 2;
    let madt = TableBuilder::madt().entries((0..count).rev().map(|id| local_x2apic(id, ApicId(id))));
    let machine = Machine {
        boot_cpu: Some(ApicId(0)),
        ..Machine::of(srat((0..count).map(|id| cpu(id, id % 2))), madt)
    };
    let (topology, told) = machine.build();
    check(&topology, &[]);
    assert_eq!(topology.cpus().len(), crate::MAX_CPUS);
    assert_eq!(topology.cpus().last().map(|cpu| cpu.apic_id), Some(ApicId(0)));
    let full: Vec<_> = told.iter().filter(|told| told.1 == "cpus.full").collect();
    assert_eq!(full.len(), 2);
}
