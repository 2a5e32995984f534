//! Tests of persistent memory: which of it is RAM, and the list of its ranges.
use acpi_tables::Action::{Dropped, Refused, Repaired};
use acpi_tables::builder::TableBuilder;
use acpi_tables::wire::SratMemoryAffinity;
use std::boxed::Box;
use std::vec::Vec;

use super::machine::*;
use crate::{MAX_PERSISTENT_RANGES, NumaTopology};

const NON_VOLATILE: u32 = SratMemoryAffinity::NON_VOLATILE;

fn persistent(base: u64, length: u64, domain: u32) -> SratMemoryAffinity {
    memory_with(NON_VOLATILE, base, length, domain)
}

/// Returns the topology and findings of an SRAT with CPU 0 in domain 0 and these memory entries, from offset 72 on.
fn read(entries: &[SratMemoryAffinity], ram: &[(u64, u64)]) -> (Box<NumaTopology>, Vec<Reported>) {
    let srat = TableBuilder::srat(3).entry(&cpu(0, 0)).entries(entries.iter().copied());
    let machine = Machine::of(srat, cpus([0])).with_ram(ram);
    let (topology, reported) = machine.build();
    check(&topology, &machine.ram);
    (topology, reported)
}

/// Returns the persistent ranges as (start, end, domain, nearest node).
fn listed(topology: &NumaTopology) -> Vec<(u64, u64, u32, usize)> {
    let ranges = topology.persistent_ranges().iter();
    ranges.map(|it| (it.range.start.0, it.range.end.0, it.domain.0, it.nearest.index())).collect()
}

#[test]
fn persistent_memory_that_the_memory_map_shows_as_ram_belongs_to_its_own_domain() {
    // A public report: the third range is RAM, and went to the node of the range before it.
    let entries = [memory(0, 2 * MIB, 0), memory(2 * MIB, MIB, 1), persistent(3 * MIB, MIB, 0)];
    let (topology, reported) = read(&entries, &[(0, 4 * MIB)]);
    assert_eq!(ranges(&topology), [(0, 2 * MIB, 0), (2 * MIB, 3 * MIB, 1), (3 * MIB, 4 * MIB, 0)]);
    assert_eq!(reported, []);
}

#[test]
fn persistent_ranges_are_cut_to_the_ram() {
    let entries = [memory(0, MIB, 0), persistent(2 * MIB, 8 * MIB, 1)];
    let (topology, reported) = read(&entries, &[(0, MIB), (3 * MIB, 4 * MIB), (5 * MIB, 10 * MIB)]);
    assert_eq!(ranges(&topology), [(0, MIB, 0), (3 * MIB, 4 * MIB, 1), (5 * MIB, 10 * MIB, 1)]);
    assert!(topology.ranges().iter().all(|range| !range.hot_pluggable));
    assert_eq!(reported, []);
}

#[test]
fn present_memory_precedes_persistent_memory_at_the_same_address() {
    let (topology, reported) = read(&[memory(0, 3 * MIB, 0), persistent(MIB, MIB, 1)], &[(0, 3 * MIB)]);
    assert_eq!(ranges(&topology), [(0, 3 * MIB, 0)]);
    assert_eq!(reported, [(72, "srat.memory.conflict", Repaired)]);
}

#[test]
fn persistent_memory_without_ram_makes_no_node_and_is_listed() {
    for ram in [&[][..], &[(0, MIB)]] {
        let (topology, reported) = read(&[memory(0, MIB, 0), persistent(MIB, 3 * MIB, 7)], ram);
        assert_eq!((ranges(&topology), domains(&topology)), ([(0, MIB, 0)].to_vec(), [0].to_vec()));
        assert_eq!(listed(&topology), [(MIB, 4 * MIB, 7, 0)]);
        assert_eq!(reported, []);
    }
}

#[test]
fn the_nearest_node_is_the_domains_own_or_that_with_the_least_distance() {
    let srat = TableBuilder::srat(3).entries([cpu(0, 0), cpu(1, 1), cpu(2, 2)]).entries([
        persistent(8 * MIB, MIB, 3),
        persistent(4 * MIB, MIB, 1),
        persistent(6 * MIB, MIB, 9),
    ]);
    let matrix = [10, 20, 20, 255, 20, 10, 20, 17, 20, 20, 10, 17, 11, 20, 20, 10];
    let slit = TableBuilder::slit(4, &matrix).build();
    let machine = Machine { slit: Some(slit), ..Machine::of(srat, cpus([0, 1, 2])) };
    let (topology, reported) = machine.build();
    // Domain 9 has no row in the SLIT, so all nodes are equally near.
    let expected = [(4 * MIB, 5 * MIB, 1, 1), (6 * MIB, 7 * MIB, 9, 0), (8 * MIB, 9 * MIB, 3, 1)];
    assert_eq!((listed(&topology), reported), (expected.to_vec(), [].to_vec()));
}

#[test]
fn faults_of_persistent_ranges_are_reported_as_those_of_other_ranges() {
    let entries = [
        persistent(MIB, 0, 1),
        persistent(u64::MAX, 2, 1),
        persistent(MIB + 1, MIB, 1),
        persistent(MIB, MIB + 4096, 1),
        memory(0, MIB, 0),
    ];
    let (topology, reported) = read(&entries, &[(0, MIB)]);
    assert_eq!(listed(&topology), [(MIB, 2 * MIB + 4096, 1, 0)]);
    let expected = [
        (72, "srat.memory.empty", Dropped),
        (112, "srat.memory.wraps", Dropped),
        (152, "srat.memory.unaligned", Repaired),
        (192, "srat.memory.overlap", Repaired),
    ];
    assert_eq!(reported, expected);
}

#[test]
fn of_too_many_persistent_ranges_the_lowest_are_listed() {
    let count = MAX_PERSISTENT_RANGES as u64 + 2;
    let entries: Vec<_> = (1..=count).rev().map(|n| persistent(n * MIB, 4096, 1)).collect();
    let (topology, reported) = read(&[&entries[..], &[memory(0, MIB, 0)]].concat(), &[]);
    assert_eq!(listed(&topology).len(), MAX_PERSISTENT_RANGES);
    assert_eq!(listed(&topology)[0], (MIB, MIB + 4096, 1, 0));
    assert_eq!(reported, [(72, "ranges.full", Dropped), (112, "ranges.full", Dropped)]);
}

#[test]
fn without_a_usable_srat_no_persistent_range_is_listed() {
    let srat = TableBuilder::srat(3).entry(&persistent(MIB, MIB, 1));
    let (topology, reported) = Machine::of(srat, cpus([0])).build();
    assert_eq!((listed(&topology), reported), ([].to_vec(), [(0, "srat.empty", Refused)].to_vec()));
}
