//! Tests of SRAT entries: the values of correct ones, and the effect of faulty ones.
use alloc::vec::Vec;
use units::{ApicId, ProximityDomain};
use zerocopy::IntoBytes;

use super::{Reported, with_findings};
use crate::Action::{Dropped, Repaired};
use crate::builder::{
    TableBuilder, generic_initiator, generic_port, local_apic_affinity, memory_affinity, x2apic_affinity,
};
use crate::wire::{SratGenericAffinity, SratMemoryAffinity};
use crate::{DeviceHandle, Finding, SratCpu, SratDevice, SratEntry, SratMemory, find_srat};

fn read(table: &[u8]) -> (Vec<SratEntry>, Vec<Reported>) {
    with_findings(|findings| {
        let srat = find_srat([table], findings).expect("the table can be read");
        srat.entries(findings).collect()
    })
}

fn cpu(apic_id: u32, domain: u32, offset: u32) -> SratEntry {
    let (apic_id, domain) = (ApicId(apic_id), ProximityDomain(domain));
    SratEntry::Cpu(SratCpu { apic_id, domain, enabled: true, offset })
}

#[test]
fn the_three_types_are_read_in_full() {
    let mut memory = memory_affinity(0x1_0000_0000, 0x2000_0000, ProximityDomain(7));
    let flags = SratMemoryAffinity::ENABLED | SratMemoryAffinity::NON_VOLATILE;
    memory.flags = flags.into();
    let table = TableBuilder::srat(3)
        .entry(&local_apic_affinity(5, ProximityDomain(0x0403_0201)))
        .entry(&memory)
        .entry(&x2apic_affinity(ApicId(300), ProximityDomain(u32::MAX)))
        .build();
    let (entries, reported) = read(&table);
    let memory = SratMemory {
        base: 0x1_0000_0000,
        length: 0x2000_0000,
        domain: ProximityDomain(7),
        enabled: true,
        hot_pluggable: false,
        non_volatile: true,
        offset: 64,
    };
    assert_eq!(entries, [cpu(5, 0x0403_0201, 48), SratEntry::Memory(memory), cpu(300, u32::MAX, 104)]);
    assert_eq!(reported, []);
}

#[test]
fn entries_without_the_enabled_flag_say_so() {
    let mut apic = local_apic_affinity(5, ProximityDomain(0));
    let mut x2apic = x2apic_affinity(ApicId(5), ProximityDomain(0));
    let mut memory = memory_affinity(0, 0x1000, ProximityDomain(0));
    (apic.flags, x2apic.flags, memory.flags) = ((!1).into(), (!1).into(), (!1).into());
    let (entries, _) = read(&TableBuilder::srat(3).entry(&apic).entry(&x2apic).entry(&memory).build());
    let enabled = |entry: &SratEntry| match entry {
        SratEntry::Cpu(cpu) => cpu.enabled,
        SratEntry::Memory(memory) => memory.enabled,
        _ => true,
    };
    assert_eq!(entries.iter().map(enabled).collect::<Vec<_>>(), [false; 3]);
}

#[test]
fn revision_1_has_domains_of_8_bits_except_for_x2apics() {
    let table = TableBuilder::srat(1)
        .entry(&local_apic_affinity(0, ProximityDomain(0x0100_00ff)))
        .entry(&memory_affinity(0, 0x1000, ProximityDomain(0x102)))
        .entry(&x2apic_affinity(ApicId(1), ProximityDomain(0x103)))
        .build();
    let (entries, reported) = read(&table);
    let domains = entries.iter().filter_map(|entry| match entry {
        SratEntry::Cpu(cpu) => Some(cpu.domain.0),
        SratEntry::Memory(memory) => Some(memory.domain.0),
        _ => None,
    });
    assert_eq!(domains.collect::<Vec<_>>(), [0xff, 2, 0x103]);
    assert_eq!(reported, [(48, "srat.domain.wide", Repaired), (64, "srat.domain.wide", Repaired)]);
}

#[test]
fn a_wide_domain_of_a_disabled_entry_is_no_finding() {
    let mut memory = memory_affinity(0, 0, ProximityDomain(0xffff_ffff));
    memory.flags = 0.into();
    assert_eq!(read(&TableBuilder::srat(1).entry(&memory).build()).1, []);
}

#[test]
fn types_of_other_machines_are_skipped_by_their_length_and_unknown_ones_reported() {
    let other = |kind: u8| [kind, 7, 0, 0, 0, 0, 0];
    let table = TableBuilder::srat(3)
        .entries([3, 4, 7, 8].map(other))
        .entry(&local_apic_affinity(1, ProximityDomain(0)))
        .build();
    let (entries, reported) = read(&table);
    let others = (0..).zip([3, 4, 7, 8]).map(|(n, kind)| SratEntry::Other { kind, offset: 48 + 7 * n });
    assert_eq!(entries, others.chain([cpu(1, 0, 76)]).collect::<Vec<_>>());
    assert_eq!(reported, [(69, "srat.entry.type", Dropped)]);
}

#[test]
fn generic_initiators_and_ports_are_read_with_both_kinds_of_handle() {
    let acpi = DeviceHandle::Acpi { hid: *b"ACPI0016", uid: 0x0403_0201 };
    let pci = DeviceHandle::Pci { segment: 0x1234, bus: 0xfe, device: 31, function: 5 };
    let mut off = generic_port(pci, ProximityDomain(3));
    off.flags = SratGenericAffinity::ARCHITECTURAL_TRANSACTIONS.into();
    let entry = generic_initiator(pci, ProximityDomain(u32::MAX));
    assert_eq!(entry.as_bytes()[8..12], [0x34, 0x12, 0xfe, 0xfd], "segment, bus, device and function");
    let table = TableBuilder::srat(3)
        .entry(&entry)
        .entry(&generic_port(acpi, ProximityDomain(2)))
        .entry(&off)
        .build();
    let device = |handle, domain, offset| SratDevice {
        handle: Some(handle),
        domain: ProximityDomain(domain),
        enabled: true,
        architectural_transactions: false,
        offset,
    };
    let off = SratDevice { enabled: false, architectural_transactions: true, ..device(pci, 3, 112) };
    let expected = [
        SratEntry::GenericInitiator(device(pci, u32::MAX, 48)),
        SratEntry::GenericPort(device(acpi, 2, 80)),
        SratEntry::GenericPort(off),
    ];
    assert_eq!(read(&table), (expected.to_vec(), Vec::new()));
}

#[test]
fn a_device_with_a_handle_of_an_unknown_kind_keeps_its_domain() {
    let mut entry = generic_initiator(DeviceHandle::Acpi { hid: [0; 8], uid: 0 }, ProximityDomain(5));
    entry.device_handle_type = 2;
    let mut off = entry;
    off.flags = 0.into();
    let (entries, reported) = read(&TableBuilder::srat(3).entry(&entry).entry(&off).build());
    assert!(matches!(
        entries[0],
        SratEntry::GenericInitiator(SratDevice {
            handle: None,
            domain: ProximityDomain(5),
            enabled: true,
            ..
        })
    ));
    assert_eq!((entries.len(), reported), (2, [(48, "srat.device.handle", Repaired)].to_vec()));
}

#[test]
fn a_length_under_2_ends_the_table_after_the_entries_before_it() {
    for length in [0, 1] {
        let table = TableBuilder::srat(3)
            .entry(&local_apic_affinity(1, ProximityDomain(0)))
            .entry(&[0_u8, length])
            .entry(&local_apic_affinity(2, ProximityDomain(0)))
            .build();
        assert_eq!(read(&table), ([cpu(1, 0, 48)].to_vec(), [(64, "srat.entry.length", Dropped)].to_vec()));
    }
}

#[test]
fn an_entry_shorter_than_its_structure_costs_only_itself() {
    let next = x2apic_affinity(ApicId(2), ProximityDomain(0));
    let handle = DeviceHandle::Acpi { hid: [0; 8], uid: 0 };
    for (entry, size) in [
        (local_apic_affinity(1, ProximityDomain(0)).as_bytes(), 16),
        (memory_affinity(0, 0x1000, ProximityDomain(0)).as_bytes(), 40),
        (x2apic_affinity(ApicId(1), ProximityDomain(0)).as_bytes(), 24),
        (generic_initiator(handle, ProximityDomain(0)).as_bytes(), 32),
        (generic_port(handle, ProximityDomain(0)).as_bytes(), 32),
    ] {
        for length in 2..size {
            let mut short = entry[..length].to_vec();
            short[1] = length as u8;
            let (entries, reported) = read(&TableBuilder::srat(3).entry(&short[..]).entry(&next).build());
            assert_eq!(entries, [cpu(2, 0, 48 + length as u32)]);
            assert_eq!(reported, [(48, "srat.entry.length", Dropped)]);
        }
    }
}

#[test]
fn an_entry_longer_than_its_structure_is_read_without_its_tail() {
    let mut long = local_apic_affinity(1, ProximityDomain(9)).as_bytes().to_vec();
    long[1] = 20;
    long.extend_from_slice(&[0xff; 4]);
    let next = local_apic_affinity(2, ProximityDomain(0));
    let (entries, reported) = read(&TableBuilder::srat(3).entry(&long[..]).entry(&next).build());
    assert_eq!(entries, [cpu(1, 9, 48), cpu(2, 0, 68)]);
    assert_eq!(reported, [(48, "srat.entry.length", Repaired)]);
}

#[test]
fn an_entry_past_the_end_is_dropped_though_its_structure_would_fit() {
    let mut past = local_apic_affinity(1, ProximityDomain(0));
    past.length = 17;
    assert_eq!(
        read(&TableBuilder::srat(3).entry(&past).build()),
        (Vec::new(), [(48, "srat.entry.length", Dropped)].to_vec())
    );
    assert_eq!(
        read(&TableBuilder::srat(3).entry(&[0_u8]).build()),
        (Vec::new(), [(48, "srat.entry.length", Dropped)].to_vec())
    );
}

#[test]
fn an_entry_past_the_end_costs_only_itself_if_its_type_has_one_size() {
    let memory = |n: u64| memory_affinity(n << 20, 1 << 20, ProximityDomain(0));
    for (length, offsets) in [(168, [48, 128]), (u8::MAX, [48, 128])] {
        let past = SratMemoryAffinity { length, ..memory(1) };
        let table = TableBuilder::srat(3).entries([memory(0), past, memory(2)]).build();
        let (entries, reported) = read(&table);
        let found = entries.iter().map(|entry| match entry {
            SratEntry::Memory(memory) => memory.offset,
            other => panic!("{other:?}"),
        });
        assert_eq!(found.collect::<Vec<_>>(), offsets);
        assert_eq!(reported, [(88, "srat.entry.length", Dropped)]);
    }
}

#[test]
fn each_type_of_one_size_past_the_end_leaves_the_next_entry() {
    let next = x2apic_affinity(ApicId(2), ProximityDomain(0));
    for (kind, size) in [(0, 16), (1, 40), (2, 24), (3, 18), (4, 12), (5, 32), (6, 32), (7, 20)] {
        let mut past = [0_u8; 40];
        past[..2].copy_from_slice(&[kind, 0xff]);
        let (entries, reported) = read(&TableBuilder::srat(3).entry(&past[..size]).entry(&next).build());
        assert_eq!(entries, [cpu(2, 0, 48 + size as u32)], "type {kind}");
        assert_eq!(reported, [(48, "srat.entry.length", Dropped)]);
    }
}

#[test]
fn an_entry_past_the_end_of_an_unknown_size_ends_the_table() {
    let next = x2apic_affinity(ApicId(2), ProximityDomain(0));
    for (kind, sentence) in [
        (8, "an entry of type 8 has 255 bytes, but the table has 26 left; the rest of the table is skipped"),
        (
            3,
            "an entry of type 3 has 255 bytes, but the table has 26 left; it is skipped, and the next entry is read at 0x42",
        ),
    ] {
        let table = TableBuilder::srat(3).entry(&[kind, 0xff_u8]).entry(&next).build();
        let mut sentences = Vec::new();
        let srat = find_srat([&table[..]], &mut |_| {}).expect("the table can be read");
        srat.entries(&mut |finding: Finding| sentences.push(alloc::format!("{finding}"))).for_each(drop);
        assert_eq!(sentences[0], sentence);
    }
}
