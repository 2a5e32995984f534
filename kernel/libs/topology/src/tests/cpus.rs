//! Tests of the CPUs: their numbers, and those on which MADT and SRAT disagree.
use acpi_tables::Action::{Dropped, Repaired};
use acpi_tables::builder::{TableBuilder, local_apic, local_x2apic};
use std::vec::Vec;
use units::ApicId;

use super::machine::*;
use crate::ApicMode;

/// Starts an SRAT with these entries and then memory of two nodes.
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
    let (topology, reported) = machine.build();
    check(&topology, &[]);
    assert_eq!((placed(&topology), reported), ([(6, 1), (0x100, 0), (0, 1)].to_vec(), [].to_vec()));
}

#[test]
fn a_second_cpu_with_the_same_apic_id_is_dropped() {
    let madt = TableBuilder::madt()
        .entries([local_apic(1, 1), local_apic(2, 1), local_apic(3, 3)])
        .entry(&local_x2apic(4, ApicId(3)));
    let (topology, reported) = Machine::of(srat([cpu(1, 0), cpu(3, 1)]), madt).build();
    assert_eq!(placed(&topology), [(1, 0), (3, 1)]);
    assert_eq!(topology.cpus()[0].acpi_processor_uid, Some(1));
    let id = "madt.cpu.duplicate";
    assert_eq!(reported, [(52, id, Dropped), (68, id, Dropped)]);
}

#[test]
fn a_broadcast_apic_id_is_no_cpu() {
    let madt = TableBuilder::madt()
        .entries([local_apic(0, 0), local_apic(1, 0xff)])
        .entries([local_x2apic(2, ApicId(u32::MAX)), local_x2apic(3, ApicId(0xff))]);
    let (topology, reported) = Machine::of(srat([cpu(0, 0), cpu(0xff, 1)]), madt).build();
    assert_eq!(placed(&topology), [(0, 0), (0xff, 1)]);
    let id = "madt.cpu.apic-id";
    assert_eq!(reported, [(52, id, Dropped), (60, id, Dropped)]);
}

#[test]
fn a_cpu_missing_from_the_srat_goes_to_the_node_of_the_next_lower_apic_id() {
    let (topology, reported) = Machine::of(srat([cpu(2, 0), cpu(4, 1)]), cpus([5, 4, 3, 2, 1])).build();
    check(&topology, &[]);
    assert_eq!(placed(&topology), [(5, 1), (4, 1), (3, 0), (2, 0), (1, 0)]);
    assert_eq!(reported, [(0, "srat.cpu.missing", Repaired); 3]);
}

#[test]
fn without_any_cpu_in_the_srat_all_go_to_the_first_node() {
    let entries: [[u8; 0]; 0] = [];
    let (topology, reported) = Machine::of(srat(entries), cpus([0, 1])).build();
    assert_eq!(placed(&topology), [(0, 0), (1, 0)]);
    assert_eq!(reported, [(0, "srat.cpu.missing", Repaired); 2]);
}

#[test]
fn a_cpu_disabled_in_the_srat_counts_as_missing() {
    let mut disabled = cpu(1, 1);
    disabled.flags = 0.into();
    let (topology, reported) = Machine::of(srat([cpu(0, 0), disabled]), cpus([0, 1])).build();
    assert_eq!(placed(&topology), [(0, 0), (1, 0)]);
    assert_eq!(reported, [(0, "srat.cpu.missing", Repaired)]);
}

#[test]
fn a_cpu_disabled_in_the_madt_is_absent_without_a_finding() {
    let madt = cpus([0]).entry(&absent_cpu(1)).entry(&absent_cpu(2));
    let (topology, reported) = Machine::of(srat([cpu(0, 0), cpu(1, 1), cpu(2, 1)]), madt).build();
    assert_eq!((placed(&topology), reported), ([(0, 0)].to_vec(), [].to_vec()));
}

#[test]
fn a_cpu_that_the_madt_does_not_list_is_dropped() {
    let (topology, reported) = Machine::of(srat([cpu(7, 1), cpu(0, 0)]), cpus([0])).build();
    assert_eq!(placed(&topology), [(0, 0)]);
    assert_eq!(reported, [(48, "srat.cpu.unknown", Dropped)]);
}

#[test]
fn of_two_domains_for_one_cpu_the_lower_is_used() {
    for (entries, offset) in [([cpu(0, 1), cpu(0, 0)], 48), ([cpu(0, 0), cpu(0, 1)], 72)] {
        let (topology, reported) = Machine::of(srat(entries), cpus([0])).build();
        assert_eq!(placed(&topology), [(0, 0)]);
        assert_eq!(reported, [(offset, "srat.cpu.duplicate", Dropped)]);
    }
    let (_, reported) = Machine::of(srat([cpu(0, 1), cpu(0, 1)]), cpus([0])).build();
    assert_eq!(reported, [], "an equal entry is no contradiction");
}

#[test]
fn the_boot_cpu_is_added_if_the_madt_lacks_it() {
    let machine =
        Machine { boot_cpu: Some(ApicId(9)), ..Machine::of(srat([cpu(0, 0), cpu(9, 1)]), cpus([0])) };
    let (topology, reported) = machine.build();
    assert_eq!(placed(&topology), [(0, 0), (9, 1)]);
    assert_eq!(topology.cpus()[1].acpi_processor_uid, None);
    assert_eq!(reported, [(0, "madt.cpu.boot", Repaired)]);
}

#[test]
fn without_a_madt_the_boot_cpu_is_the_only_cpu() {
    let machine = Machine {
        madt: None,
        boot_cpu: Some(ApicId(1)),
        ..Machine::of(srat([cpu(0, 0), cpu(1, 1)]), TableBuilder::madt())
    };
    let (topology, reported) = machine.build();
    assert_eq!((placed(&topology), reported), ([(1, 1)].to_vec(), [].to_vec()));
}

#[test]
fn without_a_madt_and_a_boot_cpu_the_cpus_are_those_of_the_srat_by_apic_id() {
    let machine =
        Machine { madt: None, ..Machine::of(srat([cpu(8, 1), cpu(2, 0), cpu(2, 0)]), TableBuilder::madt()) };
    let (topology, reported) = machine.build();
    check(&topology, &[]);
    assert_eq!((placed(&topology), reported), ([(2, 0), (8, 1)].to_vec(), [].to_vec()));
}

#[test]
fn cpus_beyond_the_limit_are_dropped_but_never_the_boot_cpu() {
    let count = crate::MAX_CPUS as u32 + 2;
    let madt = TableBuilder::madt().entries((0..count).rev().map(|id| local_x2apic(id, ApicId(id))));
    let machine = Machine {
        boot_cpu: Some(ApicId(0)),
        ..Machine::of(srat((0..count).map(|id| cpu(id, id % 2))), madt)
    };
    let (topology, reported) = machine.build();
    check(&topology, &[]);
    assert_eq!(topology.cpus().len(), crate::MAX_CPUS);
    assert_eq!(topology.cpus().last().map(|cpu| cpu.apic_id), Some(ApicId(0)));
    let full: Vec<_> = reported.iter().filter(|reported| reported.1 == "cpus.full").collect();
    assert_eq!(full.len(), 2);
}

#[test]
fn apic_ids_that_differ_by_a_constant_are_placed_by_it_with_one_finding() {
    // A public report: the MADT has ids from 16 on, the SRAT from 0 on. Then a difference the other way, one where the ids
    // overlap, and one with empty slots below and above the CPUs.
    for (madt, absent, in_srat) in [
        (16..24, 0..0, 0..8),
        (0..8, 0..0, 16..24),
        (0..8, 0..0, 4..12),
        (16..18, 18..24, 0..8),
        (20..24, 16..20, 0..8),
    ] {
        let first = madt.start;
        let half = (madt.start + madt.end) / 2;
        let offset =
            in_srat.start as i64 - first.min(if absent.is_empty() { first } else { absent.start }) as i64;
        let domain = |id: u32| u32::from((i64::from(id) - offset) >= half as i64);
        let table = cpus(madt.clone().map(|id| id as u8)).entries(absent.map(absent_cpu));
        let entries: Vec<_> = in_srat.map(|id| cpu(id, domain(id))).collect();
        let (topology, reported) = Machine::of(srat(entries), table).build();
        check(&topology, &[]);
        let expected: Vec<_> = madt.map(|id: u32| (id, usize::from(id >= half))).collect();
        assert_eq!(placed(&topology), expected);
        assert_eq!(reported, [(48, "srat.cpu.offset", Repaired)]);
    }
}

#[test]
fn apic_ids_that_do_not_all_differ_by_one_constant_are_not_placed_by_it() {
    for in_srat in [&[16, 17, 18, 20][..], &[16, 17, 18], &[16, 17, 18, 19, 20], &[0, 1, 2, 19]] {
        let entries: Vec<_> = in_srat.iter().map(|&id| cpu(id, 1)).collect();
        let (_, reported) = Machine::of(srat(entries), cpus(0..4)).build();
        assert!(!reported.is_empty());
        assert!(reported.iter().all(|reported| reported.1 != "srat.cpu.offset"), "{in_srat:?}");
    }
    // One CPU shows no constant.
    let (_, reported) = Machine::of(srat([cpu(7, 1)]), cpus([0])).build();
    assert_eq!(reported, [(48, "srat.cpu.unknown", Dropped), (0, "srat.cpu.missing", Repaired)]);
}

/// The entries of a public report from a coreboot board: one absurd id, four times.
const ABSURD: [u32; 4] = [0x1716_1514; 4];

#[test]
fn an_id_that_no_apic_can_have_is_no_cpu_in_any_mode() {
    for mode in [ApicMode::XApic, ApicMode::X2Apic] {
        let madt = cpus([0, 1]).entries(ABSURD.map(|id| local_x2apic(7, ApicId(id))));
        let machine = Machine {
            apic_mode: mode,
            boot_cpu: Some(ApicId(0)),
            ..Machine::of(srat([cpu(0, 0), cpu(1, 1), cpu(ABSURD[0], 1)]), madt)
        };
        let (topology, reported) = machine.build();
        assert_eq!(placed(&topology), [(0, 0), (1, 1)], "{mode:?}");
        let expected = [60, 76, 92, 108].map(|offset| (offset, "madt.cpu.apic-id", Dropped));
        assert_eq!(reported, expected, "{mode:?}");
    }
}

#[test]
fn an_id_that_the_current_mode_cannot_address_is_no_cpu() {
    let ids = [0xfe, 0xff, 0x100, 0xf_ffef, 0xf_fff0];
    let madt = || TableBuilder::madt().entries(ids.map(|id| local_x2apic(id, ApicId(id))));
    for (apic_mode, count) in [(ApicMode::XApic, 1), (ApicMode::X2Apic, 4)] {
        let machine = Machine { apic_mode, ..Machine::of(srat(ids.map(|id| cpu(id, 0))), madt()) };
        let (topology, reported) = machine.build();
        let expected: Vec<_> = ids[..count].iter().map(|&id| (id, 0)).collect();
        assert_eq!(placed(&topology), expected, "{apic_mode:?}");
        assert_eq!(reported.len(), ids.len() - count, "{apic_mode:?}");
        assert!(reported.iter().all(|reported| reported.1 == "madt.cpu.apic-id"), "{apic_mode:?}");
    }
}

#[test]
fn a_boot_cpu_with_an_unusual_id_is_kept() {
    let boot_cpu = ApicId(ABSURD[0]);
    let machine = Machine {
        boot_cpu: Some(boot_cpu),
        ..Machine::of(srat([cpu(ABSURD[0], 1)]), TableBuilder::madt().entry(&local_x2apic(0, boot_cpu)))
    };
    let (topology, reported) = machine.build();
    assert_eq!((placed(&topology), reported), ([(ABSURD[0], 1)].to_vec(), [].to_vec()));
}

#[test]
fn messages_about_apic_ids_print_them_in_hex_with_the_reason() {
    let madt = cpus([0, 0]).entry(&local_x2apic(7, ApicId(0x1ff))).entry(&local_apic(8, 0xff)).build();
    let srat = srat([cpu(0x2a, 0)]).build();
    let mut said = Vec::new();
    let mut findings = |finding: acpi_tables::Finding| said.push(std::format!("{finding}"));
    let from_tables = crate::Inputs::from_tables([&madt[..], &srat[..]], &mut findings);
    let inputs = crate::Inputs { apic_mode: ApicMode::XApic, boot_cpu: Some(ApicId(0x1a)), ..from_tables };
    let _ = std::boxed::Box::new(crate::NumaTopology::build(&inputs, &mut findings));
    assert_eq!(
        said,
        [
            "APIC 0x0 is listed twice; the first entry is used",
            "APIC 0x1ff cannot be addressed: in xAPIC mode the highest id is 0xfe; the entry is skipped",
            "APIC id 0xff addresses all CPUs, not one; the entry is skipped",
            "APIC 0x1a, the boot CPU, is not among the enabled CPUs; it is added",
            "APIC 0x2a of domain 0 is not one of the machine's CPUs",
            "APIC 0x0 is in no domain, and neither is any other; it goes to node 0",
            "APIC 0x1a is in no domain, and neither is any other; it goes to node 0",
        ]
    );
}

#[test]
fn x2apic_entries_with_small_ids_beside_local_apics_are_no_further_cpus() {
    let x2apic = |id| local_x2apic(id, ApicId(id));
    let entries = srat([cpu(0, 0), cpu(1, 1), cpu(2, 0), cpu(0x100, 1)]);
    // The order of the entries has no influence.
    let small = [x2apic(2), x2apic(0xfe)];
    let before = TableBuilder::madt().entries(small).entries([local_apic(0, 0), local_apic(1, 1)]);
    let after = TableBuilder::madt().entries([local_apic(0, 0), local_apic(1, 1)]).entries(small);
    for madt in [before, after] {
        let machine = Machine::of(entries.clone(), madt.entries([x2apic(0xff), x2apic(0x100)]));
        let (topology, reported) = machine.build();
        assert_eq!(placed(&topology), [(0, 0), (1, 1), (0xff, 1), (0x100, 1)]);
        let rules: Vec<_> = reported.iter().map(|reported| (reported.1, reported.2)).collect();
        let expected = [("madt.cpu.x2apic", Dropped); 2];
        assert_eq!(rules, [&expected[..], &[("srat.cpu.missing", Repaired)]].concat());
    }
}

#[test]
fn x2apic_entries_with_small_ids_are_cpus_where_no_local_apic_is_enabled() {
    let mut disabled = local_apic(9, 9);
    disabled.flags = 0.into();
    let madt = TableBuilder::madt()
        .entries([disabled, local_apic(1, 0xff)])
        .entries([local_x2apic(0, ApicId(0)), local_x2apic(1, ApicId(1))]);
    let (topology, reported) = Machine::of(srat([cpu(0, 0), cpu(1, 1)]), madt).build();
    assert_eq!(placed(&topology), [(0, 0), (1, 1)]);
    assert_eq!(reported, [(52, "madt.cpu.apic-id", Dropped)]);
}
