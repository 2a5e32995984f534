//! Tests of more domains, CPUs and ranges than there is room for: which are kept, in any order, and that no RAM is lost.
use acpi_tables::builder::{TableBuilder, local_x2apic};
use std::boxed::Box;
use std::vec::Vec;
use units::{ApicId, MAX_NODES, PhysRange};

use super::machine::*;
use crate::{MAX_CPUS, MAX_RANGES, NumaTopology};

/// Builds the machine of these entries. Checks that the reverse order gives the same topology.
fn both_ways(
    entries: &[acpi_tables::wire::SratMemoryAffinity],
    ram: &[(u64, u64)],
) -> (Box<NumaTopology>, Vec<Reported>) {
    let build = |entries: Vec<_>| {
        let machine =
            Machine { srat: Some(TableBuilder::srat(3).entries(entries).build()), ..Machine::default() };
        machine.with_ram(ram).build()
    };
    let (topology, reported) = build(entries.to_vec());
    let (turned, _) = build(entries.iter().rev().copied().collect());
    assert_eq!(topology, turned);
    let ram: Vec<PhysRange> = ram.iter().map(|&(start, end)| PhysRange::new(start, end)).collect();
    check(&topology, &ram);
    (topology, reported)
}

fn count(reported: &[Reported], id: &str) -> usize {
    reported.iter().filter(|reported| reported.1 == id).count()
}

#[test]
fn of_too_many_domains_the_lowest_are_nodes_and_the_memory_of_others_is_not_lost() {
    let total = MAX_NODES as u64 + 3;
    let entries: Vec<_> = (0..total).map(|n| memory(n * MIB, MIB, 1000 - n as u32)).collect();
    let (topology, reported) = both_ways(&entries, &[(0, total * MIB)]);
    assert_eq!(topology.node_count(), MAX_NODES);
    assert_eq!(topology.nodes().last().map(|node| node.domain.0), Some(1000 - 3));
    assert_eq!(count(&reported, "domains.full"), 3);
    assert_eq!(topology.node_of_address(units::PhysAddr(0)), Some(node(MAX_NODES - 1)));
}

#[test]
fn a_cpu_of_a_domain_without_room_counts_as_missing() {
    let nodes = MAX_NODES as u32;
    let srat = TableBuilder::srat(3)
        .entries((0..nodes).map(|n| memory(u64::from(n) * MIB, MIB, n)))
        .entries([cpu(0, 5), cpu(1, nodes)]);
    let (topology, reported) = Machine::of(srat, cpus([0, 1])).build();
    assert_eq!(placed(&topology), [(0, 5), (1, 5)]);
    assert_eq!(
        reported.iter().map(|reported| reported.1).collect::<Vec<_>>(),
        ["domains.full", "srat.cpu.missing"]
    );
}

#[test]
fn of_too_many_cpus_in_an_srat_without_a_madt_the_lowest_are_kept_in_any_order() {
    // More CPUs than there is room for. Every third one is listed twice.
    let ids =
        || (0..MAX_CPUS as u32 + 9).flat_map(|id| std::iter::repeat_n(id, 1 + usize::from(id % 3 == 0)));
    let build = |ids: Vec<u32>| {
        let srat = TableBuilder::srat(3).entries(ids.iter().map(|&id| cpu(id, id % 2)));
        Machine { srat: Some(srat.build()), ..Machine::default() }.build()
    };
    let (topology, reported) = build(ids().collect());
    let (turned, reported_turned) = build(ids().rev().collect());
    assert!(topology == turned);
    assert!(placed(&topology).into_iter().eq((0..MAX_CPUS).map(|id| (id as u32, id % 2))));
    assert_eq!((count(&reported, "cpus.full"), reported.len()), (12, 12));
    assert_eq!((count(&reported_turned, "cpus.full"), reported_turned.len()), (12, 12));
}

#[test]
fn of_too_many_ranges_the_lowest_are_kept_and_the_ram_of_others_is_not_lost() {
    let total = MAX_RANGES as u64 + 9;
    // Each range has two frames, with RAM in the first, so that the RAM of ranges left out is not adjacent to anything.
    let entries: Vec<_> = (0..total).map(|n| memory(n * 0x2000, 0x2000, n as u32 % 2)).collect();
    let ram: Vec<_> = (0..total).map(|n| (n * 0x2000, n * 0x2000 + 0x1000)).collect();
    let (topology, reported) = both_ways(&entries, &ram);
    assert_eq!(topology.ranges().len(), MAX_RANGES);
    assert_eq!(count(&reported, "ranges.full"), 9);
    assert_eq!(count(&reported, "srat.memory.uncovered"), 1);
    let last = topology.ranges()[MAX_RANGES - 1].range;
    assert_eq!(last, PhysRange::new((MAX_RANGES as u64 - 1) * 0x2000, (total - 1) * 0x2000 + 0x1000));
}

#[test]
fn copies_of_a_range_take_no_room() {
    let mut entries = std::vec![memory(0, MIB, 0); MAX_RANGES];
    entries.push(memory(MIB, MIB, 1));
    let (topology, reported) = both_ways(&entries, &[(0, 2 * MIB)]);
    assert_eq!(ranges(&topology), [(0, MIB, 0), (MIB, 2 * MIB, 1)]);
    assert_eq!((count(&reported, "srat.memory.overlap"), reported.len()), (MAX_RANGES - 1, MAX_RANGES - 1));
    // A range of another domain or a hot-pluggable one is not a copy.
    let hot = acpi_tables::wire::SratMemoryAffinity::HOT_PLUGGABLE;
    let entries = [memory(0, MIB, 0), memory(0, MIB, 1), memory_with(hot, 0, MIB, 0), memory(0, MIB, 1)];
    let (_, reported) = both_ways(&entries, &[(0, MIB)]);
    assert_eq!((count(&reported, "srat.memory.overlap"), count(&reported, "srat.memory.conflict")), (2, 1));
}

#[test]
fn ram_below_a_full_set_of_ranges_is_not_lost() {
    let entries: Vec<_> =
        (1..=MAX_RANGES as u64).map(|n| memory(n * 0x10_0000, 0x2000, n as u32 % 2)).collect();
    let mut ram: Vec<_> = [(0, 0x1000), (0x8000, 0x9000)].to_vec();
    ram.extend((1..=MAX_RANGES as u64).map(|n| (n * 0x10_0000, n * 0x10_0000 + 0x4000)));
    let (topology, reported) = both_ways(&entries, &ram);
    assert_eq!(topology.ranges()[0].range, PhysRange::new(0, 0x10_4000));
    assert_eq!(count(&reported, "ranges.full"), 0);
}

#[test]
fn ranges_cut_into_too_many_pieces_lose_no_ram() {
    // One range of the first domain contains many of the second, which makes twice as many pieces.
    let many = MAX_RANGES as u64 - 1;
    let mut entries: Vec<_> = (0..many).map(|n| memory(n * 0x4000 + 0x1000, 0x1000, 1)).collect();
    let end = many * 0x4000;
    entries.push(memory(0, end, 0));
    let (topology, reported) = both_ways(&entries, &[(0, end)]);
    assert_eq!(topology.ranges().len(), MAX_RANGES);
    assert!(count(&reported, "ranges.full") > 0);
}

#[test]
fn without_an_srat_the_last_range_takes_all_further_ram() {
    let total = MAX_RANGES as u64 + 5;
    let ram: Vec<_> = (0..total).map(|n| (n * 0x2000, n * 0x2000 + 0x1000)).collect();
    let (topology, reported) = Machine::default().with_ram(&ram).build();
    assert_eq!(reported, [(0, "ranges.full", acpi_tables::Action::Repaired)]);
    assert_eq!(topology.ranges().last().map(|range| range.range.end.0), Some((total - 1) * 0x2000 + 0x1000));
    let ram: Vec<PhysRange> = ram.iter().map(|&(start, end)| PhysRange::new(start, end)).collect();
    check(&topology, &ram);
}

#[test]
fn cpus_of_the_madt_without_room_are_not_reported_as_unknown() {
    let ids = 0..MAX_CPUS as u32 + 9;
    let srat = TableBuilder::srat(3).entries(ids.clone().map(|id| cpu(id, id % 2)));
    let mut machine =
        Machine::of(srat, TableBuilder::madt().entries(ids.map(|id| local_x2apic(id, ApicId(id)))));
    let (topology, reported) = machine.build();
    assert_eq!((topology.cpus().len(), count(&reported, "cpus.full"), reported.len()), (MAX_CPUS, 9, 9));
    // The boot CPU replaces the last CPU.
    machine.boot_cpu = Some(ApicId(MAX_CPUS as u32 + 3));
    let (_, reported) = machine.build();
    assert_eq!((count(&reported, "srat.cpu.unknown"), count(&reported, "madt.cpu.boot")), (0, 1));
}

#[test]
fn slots_of_the_madt_without_room_are_not_reported_as_unknown() {
    let slots = 1..=MAX_CPUS as u32 + 9;
    let srat = TableBuilder::srat(3).entry(&memory(0, MIB, 0)).entry(&cpu(0, 0));
    let srat = srat.entries(slots.clone().map(|id| cpu(id, id % 2)));
    for ids in [slots.clone().collect::<Vec<_>>(), slots.clone().rev().collect()] {
        let madt =
            TableBuilder::madt().entry(&local_x2apic(0, ApicId(0))).entries(ids.into_iter().map(absent_cpu));
        assert_eq!(Machine::of(srat.clone(), madt).build().1, []);
    }
    // Below the lowest slot without room, an unlisted CPU is certainly unknown.
    let madt = TableBuilder::madt().entry(&local_x2apic(0, ApicId(0)));
    let madt = madt.entries(slots.skip(1).map(absent_cpu));
    let (_, reported) = Machine::of(srat, madt).build();
    assert_eq!((count(&reported, "srat.cpu.unknown"), reported.len()), (1, 1));
}
