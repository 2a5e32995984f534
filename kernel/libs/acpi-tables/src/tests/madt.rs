//! Tests of the MADT: the CPUs' values, and the effect of faulty entries.
use alloc::vec::Vec;
use units::{ApicId, PhysAddr};
use zerocopy::IntoBytes;

use super::{Reported, with_findings};
use crate::Action::{Dropped, Repaired};
use crate::builder::{TableBuilder, io_apic, local_apic, local_x2apic};
use crate::wire::{MadtInterruptSourceOverride, MadtLocalApic, MadtLocalApicAddressOverride};
use crate::{IoApicEntry, IsaLine, MadtCpu, find_madt};

fn read(table: &[u8]) -> (Vec<MadtCpu>, Vec<Reported>) {
    with_findings(|findings| {
        let madt = find_madt([table], findings).expect("the table can be read");
        madt.cpus(findings).collect()
    })
}

#[test]
fn both_kinds_of_cpu_are_read_in_full_and_other_entries_skipped() {
    let mut later = local_x2apic(0x1234, ApicId(0x400));
    later.flags = MadtLocalApic::ONLINE_CAPABLE.into();
    let io_apic = [1_u8, 12, 0, 0, 0, 0, 0xc0, 0xfe, 0, 0, 0, 0];
    let oem = [0x80_u8, 3, 0xff];
    let table =
        TableBuilder::madt().entry(&local_apic(4, 7)).entry(&io_apic).entry(&oem).entry(&later).build();
    let first = MadtCpu {
        apic_id: ApicId(7),
        acpi_processor_uid: 4,
        enabled: true,
        online_capable: false,
        x2apic: false,
        offset: 44,
    };
    let second = MadtCpu {
        apic_id: ApicId(0x400),
        acpi_processor_uid: 0x1234,
        enabled: false,
        online_capable: true,
        x2apic: true,
        offset: 67,
    };
    assert_eq!(read(&table), ([first, second].to_vec(), Vec::new()));
}

#[test]
fn each_type_of_entry_has_its_own_broadcast_id() {
    let table = TableBuilder::madt()
        .entry(&local_apic(0, 0xff))
        .entry(&local_x2apic(0, ApicId(0xff)))
        .entry(&local_x2apic(0, ApicId(u32::MAX)))
        .build();
    let (cpus, _) = read(&table);
    assert_eq!(cpus.iter().map(MadtCpu::is_broadcast).collect::<Vec<_>>(), [true, false, true]);
}

#[test]
fn wrong_lengths_cost_the_entry_or_what_follows() {
    let (mut short, mut long) = (local_apic(1, 1), local_apic(2, 2).as_bytes().to_vec());
    short.length = 7;
    long[1] = 9;
    long.push(0);
    let table = TableBuilder::madt()
        .entry(&short.as_bytes()[..7])
        .entry(&long[..])
        .entry(&[0_u8, 0])
        .entry(&local_apic(3, 3))
        .build();
    let (cpus, reported) = read(&table);
    assert_eq!(cpus.iter().map(|cpu| cpu.apic_id.0).collect::<Vec<_>>(), [2]);
    let id = "madt.entry.length";
    assert_eq!(reported, [(44, id, Dropped), (51, id, Repaired), (60, id, Dropped)]);
}

#[test]
fn an_entry_past_the_end_costs_itself_where_its_type_has_one_size() {
    for (kind, size) in [(0, 8), (1, 12), (2, 10), (3, 8), (4, 6), (5, 12), (9, 16), (10, 12)] {
        let mut past = [0_u8; 16];
        past[..2].copy_from_slice(&[kind, 0xff]);
        let (cpus, reported) =
            read(&TableBuilder::madt().entry(&past[..size]).entry(&local_apic(3, 3)).build());
        assert_eq!(cpus.iter().map(|cpu| cpu.apic_id.0).collect::<Vec<_>>(), [3], "type {kind}");
        assert_eq!(reported, [(44, "madt.entry.length", Dropped)]);
    }
    let table = TableBuilder::madt().entry(&[0x80_u8, 0xff]).entry(&local_apic(3, 3)).build();
    assert_eq!(read(&table), (Vec::new(), [(44, "madt.entry.length", Dropped)].to_vec()));
}

#[test]
fn an_address_override_replaces_the_headers_address() {
    let address = |table: Vec<u8>| {
        let (madt, reported) = with_findings(|findings| find_madt([&table[..]], findings));
        assert_eq!(reported, []);
        madt.expect("the table can be read").local_apic_address()
    };
    let entry = MadtLocalApicAddressOverride {
        entry_type: 5,
        length: 12,
        reserved: 0.into(),
        local_apic_address: 0x12_3456_7000.into(),
    };
    assert_eq!(address(TableBuilder::madt().build()), PhysAddr(0xfee0_0000));
    assert_eq!(address(TableBuilder::madt().entry(&entry).build()), PhysAddr(0x12_3456_7000));
    assert_eq!(address(TableBuilder::madt().entry(&entry.as_bytes()[..4]).build()), PhysAddr(0xfee0_0000));
}

#[test]
fn the_io_apics_are_read_in_the_tables_order() {
    let table = TableBuilder::madt()
        .entry(&io_apic(8, 0xfec0_1000, 24))
        .entry(&local_apic(0, 0))
        .entry(&io_apic(0, 0xfec0_0000, 0))
        .build();
    let (found, reported) = with_findings(|findings| {
        find_madt([&table[..]], findings).expect("the table can be read").io_apics().collect::<Vec<_>>()
    });
    let entry = |address, first_interrupt| IoApicEntry { address: PhysAddr(address), first_interrupt };
    assert_eq!(found, [entry(0xfec0_1000, 24), entry(0xfec0_0000, 0)]);
    assert_eq!(reported, []);
}

#[test]
fn an_override_moves_an_interrupt_of_the_isa_bus() {
    let entry = |bus, source, interrupt: u32, flags: u16| MadtInterruptSourceOverride {
        entry_type: 2,
        length: 10,
        bus,
        source,
        interrupt: interrupt.into(),
        flags: flags.into(),
    };
    let table = TableBuilder::madt()
        .entry(&entry(1, 4, 99, 0))
        .entry(&entry(0, 0, 2, 0))
        .entry(&entry(0, 4, 20, 0b1111))
        .entry(&entry(0, 5, 5, 0b0101))
        .build();
    let mut ignore = |_: crate::Finding| {};
    let madt = find_madt([&table[..]], &mut ignore).expect("the table can be read");
    let line = |interrupt, is_low, is_level| IsaLine { interrupt, is_low, is_level };
    assert_eq!(madt.isa_line(0), line(2, false, false));
    assert_eq!(madt.isa_line(3), line(3, false, false));
    assert_eq!(madt.isa_line(4), line(20, true, true));
    assert_eq!(madt.isa_line(5), line(5, false, false));
}

#[test]
fn an_io_apic_whose_entry_is_cut_is_none() {
    let entry = io_apic(0, 0xfec0_0000, 0);
    let table = TableBuilder::madt().entry(&[1_u8, 4, 0, 0]).entry(&entry.as_bytes()[..8]).build();
    let mut ignore = |_: crate::Finding| {};
    assert_eq!(find_madt([&table[..]], &mut ignore).unwrap().io_apics().count(), 0);
}
