//! Tests of fake nodes: their number, their memory and CPUs, and that they replace firmware's nodes.
use acpi_tables::Action::Repaired;
use acpi_tables::builder::TableBuilder;
use proptest::prelude::*;
use std::vec::Vec;
use units::{FRAME_SIZE, MAX_NODES, PhysAddr, PhysRange};

use super::machine::*;
use crate::FakeNodes::{Count, SizeBytes};
use crate::{FAKE_NODE_UNIT, FakeNodes, MAX_RANGES, NumaMode, NumaTopology, Source};

/// The RAM of QEMU's machine with 512 MiB under BIOS.
const PLAIN: &[(u64, u64)] = &[(0, 0x9_fc00), (MIB, 512 * MIB - 0x2_1000)];

fn plain(fake: FakeNodes, cpu_count: u8) -> Machine {
    let madt = Some(cpus(0..cpu_count).build());
    Machine { madt, numa: NumaMode::Fake(fake), ..Machine::default() }.with_ram(PLAIN)
}

fn cpu_counts(topology: &NumaTopology) -> Vec<u32> {
    topology.nodes().iter().map(|node| node.cpu_count).collect()
}

#[test]
fn four_fake_nodes_have_a_quarter_of_memory_and_cpus_each() {
    let machine = plain(Count(4), 4);
    let (topology, reported) = machine.build();
    check(&topology, &machine.ram);
    assert_eq!((topology.source(), reported), (Source::Fake, [].to_vec()));
    assert_eq!(domains(&topology), [0, 1, 2, 3]);
    let quarters = [128, 256, 384].map(|mib| mib * MIB);
    assert_eq!(
        ranges(&topology),
        [
            (0, 0x9_fc00, 0),
            (MIB, quarters[0], 0),
            (quarters[0], quarters[1], 1),
            (quarters[1], quarters[2], 2),
            (quarters[2], 512 * MIB - 0x2_1000, 3)
        ]
    );
    assert_eq!(placed(&topology), [(0, 0), (1, 1), (2, 2), (3, 3)]);
    assert_eq!((topology.distance(node(1), node(3)), topology.has_distance_matrix()), (Some(20), false));
    assert_eq!(topology.fallback(node(2)), [2, 3, 0, 1].map(node));
}

#[test]
fn a_size_gives_the_number_of_nodes_that_comes_nearest_to_it() {
    for (size, count) in [(64 * MIB, 8), (100 * MIB, 5), (512 * MIB, 1), (1 << 40, 1), (400 * MIB, 1)] {
        let (topology, _) = plain(SizeBytes(size), 1).build();
        assert_eq!(topology.node_count(), count, "of {size:#x} bytes");
    }
}

#[test]
fn cpus_are_distributed_in_blocks_by_apic_id_in_any_order() {
    let madt = Some(cpus([6, 2, 4, 0, 7, 1, 3]).build());
    let (topology, _) = Machine { madt, ..plain(Count(3), 0) }.build();
    assert_eq!(placed(&topology), [(6, 2), (2, 0), (4, 1), (0, 0), (7, 2), (1, 0), (3, 1)]);
    let (topology, _) = plain(Count(5), 2).build();
    assert_eq!(cpu_counts(&topology), [1, 0, 1, 0, 0], "a node may have no CPU");
    let (topology, _) = plain(Count(2), 0).build();
    assert_eq!(cpu_counts(&topology), [0, 0]);
}

#[test]
fn fake_nodes_replace_firmwares_nodes_and_distances() {
    let machine = Machine { numa: NumaMode::Fake(Count(3)), ..Machine::two_nodes() };
    let slit = Some(TableBuilder::slit(3, &[10, 11, 12, 13, 10, 14, 15, 16, 10]).build());
    let (with, reported) = Machine { slit, ..machine.clone() }.build();
    let (without, _) = Machine { srat: None, slit: None, ..machine }.build();
    assert_eq!((&with, reported), (&without, [].to_vec()));
    assert!(!with.has_distance_matrix());
}

#[test]
fn there_are_no_more_fake_nodes_than_there_is_room_for() {
    let granted = |fake: FakeNodes, ram: &[(u64, u64)]| {
        let machine = Machine { numa: NumaMode::Fake(fake), ..Machine::default() }.with_ram(ram);
        let (topology, _) = machine.build();
        check(&topology, &machine.ram);
        (fake.wanted(&machine.ram), topology.node_count())
    };
    assert_eq!(granted(Count(1000), PLAIN), (1000, MAX_NODES));
    assert_eq!(granted(Count(u64::MAX), PLAIN), (u64::MAX, MAX_NODES));
    assert_eq!(granted(SizeBytes(MIB), PLAIN), (511, MAX_NODES));
    assert_eq!(granted(Count(9), &[(0, 5 * MIB)]), (9, 2), "a node is not smaller than 2 MiB");
    assert_eq!(granted(Count(9), &[(0, MIB)]), (9, 1));
    assert_eq!(granted(Count(0), PLAIN), (0, 1));
    assert_eq!(granted(SizeBytes(0), PLAIN).1, MAX_NODES);
    assert_eq!(granted(Count(4), &[]), (4, 1), "without a memory map there is no memory to share");
    assert_eq!(granted(Count(3), &[(0, u64::MAX)]), (3, 3));
}

#[test]
fn with_many_ranges_of_ram_there_are_fewer_fake_nodes_and_no_ram_is_lost() {
    let ram = |count: u64| (0..count).map(|n| (n * FAKE_NODE_UNIT, n * FAKE_NODE_UNIT + MIB / 16));
    for (pieces, nodes) in [(MAX_RANGES - 9, 10), (MAX_RANGES, 1), (MAX_RANGES + 1, 1)] {
        let ram: Vec<_> = ram(pieces as u64).collect();
        let machine = Machine { numa: NumaMode::Fake(Count(50)), ..Machine::default() }.with_ram(&ram);
        let (topology, reported) = machine.build();
        check(&topology, &machine.ram);
        assert_eq!(topology.node_count(), nodes);
        let expected = if pieces > MAX_RANGES { &[(0, "ranges.full", Repaired)][..] } else { &[] };
        assert_eq!(reported, expected);
    }
}

/// Generates RAM in pieces of any size, with holes of any size between them.
fn ram() -> impl Strategy<Value = Vec<PhysRange>> {
    let bytes = || prop_oneof![1..4 * FRAME_SIZE, 1..40 * MIB, (1..20_u64).prop_map(|n| n * FAKE_NODE_UNIT)];
    prop::collection::vec((bytes(), bytes()), 1..12).prop_map(|pieces| {
        let mut end = 0;
        let ranges = pieces.into_iter().map(|(hole, length)| {
            let start = end + hole - 1;
            end = start + length;
            PhysRange::new(start, end)
        });
        // A memory map merges adjacent ranges.
        ranges.collect::<Vec<_>>().into_iter().fold(Vec::new(), |mut ram: Vec<PhysRange>, range| {
            match ram.last_mut() {
                Some(last) if last.end == range.start => last.end = range.end,
                _ => ram.push(range),
            }
            ram
        })
    })
}

proptest! {
    #[test]
    fn fake_nodes_share_all_ram_evenly_and_no_frame_is_in_two(ram in ram(), count in 1..=140_u64, cpu_count in 0..40_u8) {
        let madt = Some(cpus(0..cpu_count).build());
        let machine = Machine { madt, ram, numa: NumaMode::Fake(Count(count)), ..Machine::default() };
        let (topology, reported) = machine.build();
        check_fake(&topology, &machine.ram);
        prop_assert_eq!(reported, []);
        let total: u64 = machine.ram.iter().map(|range| range.len_bytes()).sum();
        prop_assert_eq!(topology.node_count() as u64, count.min(total / FAKE_NODE_UNIT).clamp(1, MAX_NODES as u64));
        let sizes = topology.nodes().iter().map(|node| node.memory_size);
        prop_assert_eq!(sizes.clone().sum::<u64>(), total);
        prop_assert!(sizes.clone().max().unwrap() - sizes.min().unwrap() <= FAKE_NODE_UNIT);
        let counts = cpu_counts(&topology);
        prop_assert!(counts.iter().max().unwrap() - counts.iter().min().unwrap() <= 1);
    }
}

/// Checks that fake nodes have all of RAM and nothing else, in ascending order, cut between large pages.
fn check_fake(topology: &NumaTopology, ram: &[PhysRange]) {
    assert_eq!(topology.source(), Source::Fake);
    let mut merged = Vec::<PhysRange>::new();
    for pair in topology.ranges() {
        match merged.last_mut() {
            Some(last) if last.end == pair.range.start => last.end = pair.range.end,
            _ => merged.push(pair.range),
        }
    }
    assert_eq!(merged, ram);
    for pair in topology.ranges().windows(2) {
        assert!(pair[0].node <= pair[1].node);
        let unit = |address: PhysAddr| address.0 / FAKE_NODE_UNIT;
        let last = PhysAddr(pair[0].range.end.0 - 1);
        assert!(pair[0].node == pair[1].node || unit(last) < unit(pair[1].range.start), "{pair:?}");
    }
    for from in topology.nodes() {
        for to in topology.nodes() {
            let expected = if from.id == to.id { 10 } else { 20 };
            assert_eq!(topology.distance(from.id, to.id), Some(expected));
        }
    }
}
