//! Tests of memory entries: the effect of faulty ones, and the result of overlaps.
use acpi_tables::Action::{Dropped, Repaired};
use acpi_tables::builder::TableBuilder;
use acpi_tables::wire::SratMemoryAffinity;
use std::vec::Vec;
use units::PhysRange;

use super::machine::*;

const HOT: u32 = SratMemoryAffinity::HOT_PLUGGABLE;

/// Returns the ranges and findings of an SRAT with CPU 0 in domain 0 and these memory entries, from offset 72 on.
fn read(entries: &[SratMemoryAffinity], ram: &[(u64, u64)]) -> (Vec<(u64, u64, usize)>, Vec<Reported>) {
    let srat = TableBuilder::srat(3).entry(&cpu(0, 0)).entries(entries.iter().copied());
    let machine = Machine::of(srat, cpus([0])).with_ram(ram);
    let (topology, reported) = machine.build();
    check(&topology, &machine.ram);
    (ranges(&topology), reported)
}

#[test]
fn adjacent_ranges_stay_separate() {
    let (ranges, reported) = read(&[memory(0, MIB, 0), memory(MIB, MIB, 0), memory(2 * MIB, MIB, 1)], &[]);
    assert_eq!(ranges, [(0, MIB, 0), (MIB, 2 * MIB, 0), (2 * MIB, 3 * MIB, 1)]);
    assert_eq!(reported, []);
}

#[test]
fn ranges_of_one_domain_that_overlap_are_merged() {
    for (second, end) in [
        (memory(MIB, 3 * MIB, 0), 4 * MIB),
        (memory(0, 2 * MIB, 0), 2 * MIB),
        (memory(0, MIB, 0), 2 * MIB),
        (memory(4096, 4096, 0), 2 * MIB),
        (memory(MIB, MIB, 0), 2 * MIB),
    ] {
        let (ranges, reported) = read(&[memory(0, 2 * MIB, 0), second], &[]);
        assert_eq!(ranges, [(0, end, 0)]);
        assert_eq!(
            reported.iter().map(|reported| (reported.1, reported.2)).collect::<Vec<_>>(),
            [("srat.memory.overlap", Repaired)]
        );
    }
}

#[test]
fn of_two_domains_the_range_that_starts_later_gets_the_overlap() {
    let (ranges, reported) = read(&[memory(0, 3 * MIB, 0), memory(2 * MIB, 2 * MIB, 1)], &[]);
    assert_eq!(ranges, [(0, 2 * MIB, 0), (2 * MIB, 4 * MIB, 1)]);
    assert_eq!(reported, [(112, "srat.memory.conflict", Repaired)]);
}

#[test]
fn a_range_inside_another_stays_whole() {
    let (ranges, reported) = read(&[memory(MIB, MIB, 1), memory(0, 4 * MIB, 0)], &[]);
    assert_eq!(ranges, [(0, MIB, 0), (MIB, 2 * MIB, 1), (2 * MIB, 4 * MIB, 0)]);
    assert_eq!(reported, [(72, "srat.memory.conflict", Repaired)]);
}

#[test]
fn of_two_ranges_with_one_start_the_shorter_gets_the_overlap_and_of_equal_ones_the_lower_domain() {
    let (ranges, reported) = read(&[memory(0, MIB, 1), memory(0, 2 * MIB, 0)], &[]);
    assert_eq!(ranges, [(0, MIB, 1), (MIB, 2 * MIB, 0)]);
    assert_eq!(reported, [(72, "srat.memory.conflict", Repaired)]);
    let (ranges, reported) = read(&[memory(0, MIB, 0), memory(0, MIB, 1)], &[]);
    assert_eq!(ranges, [(0, MIB, 0)]);
    assert_eq!(reported, [(72, "srat.memory.conflict", Repaired)]);
}

#[test]
fn a_domain_that_loses_all_its_memory_is_no_node() {
    let srat = TableBuilder::srat(3).entry(&cpu(0, 1)).entry(&memory(0, MIB, 1)).entry(&memory(0, MIB, 2));
    let (topology, _) = Machine::of(srat, cpus([0])).build();
    assert_eq!(domains(&topology), [1]);
}

#[test]
fn an_empty_range_is_dropped() {
    let (ranges, reported) = read(&[memory(MIB, 0, 1), memory(0, MIB, 0)], &[]);
    assert_eq!((ranges, reported), ([(0, MIB, 0)].to_vec(), [(72, "srat.memory.empty", Dropped)].to_vec()));
}

#[test]
fn a_range_that_wraps_is_dropped_and_one_that_ends_with_the_last_address_is_not() {
    let last_end = u64::MAX - 4095;
    for (base, length) in [(last_end - 4096, 3 * 4096), (u64::MAX, 2), (1, u64::MAX), (u64::MAX, u64::MAX)] {
        let (ranges, reported) = read(&[memory(base, length, 1), memory(0, MIB, 0)], &[]);
        if base == 1 {
            // One byte short of 2⁶⁴: the range ends with the last address.
            assert_eq!((ranges.len(), reported[0].1), (2, "srat.memory.unaligned"));
        } else {
            assert_eq!(
                (ranges, reported),
                ([(0, MIB, 0)].to_vec(), [(72, "srat.memory.wraps", Dropped)].to_vec())
            );
        }
    }
    // All frames are whole, but the end of the last one is not an address.
    let (ranges, reported) = read(&[memory(MIB, 0_u64.wrapping_sub(MIB), 1)], &[]);
    assert_eq!(
        (ranges, reported),
        ([(MIB, last_end, 1)].to_vec(), [(72, "srat.memory.wraps", Repaired)].to_vec())
    );
    let (_, reported) = read(&[memory(MIB, last_end - MIB, 1)], &[]);
    assert_eq!(reported, []);
    for (base, length) in [(u64::MAX, 1), (last_end, 4096), (last_end, 4095)] {
        let (_, reported) = read(&[memory(base, length, 1), memory(0, MIB, 0)], &[]);
        assert_eq!(reported, [(72, "srat.memory.wraps", Dropped)]);
    }
}

#[test]
fn a_range_of_partial_frames_is_rounded_outwards_and_a_shared_frame_goes_to_the_later() {
    let (ranges, reported) = read(&[memory(0x800, 0x1000, 0), memory(0x1800, 0x1000, 1)], &[]);
    assert_eq!(ranges, [(0, 0x1000, 0), (0x1000, 0x3000, 1)]);
    let unaligned = "srat.memory.unaligned";
    let conflict = (112, "srat.memory.conflict", Repaired);
    assert_eq!(reported, [(72, unaligned, Repaired), (112, unaligned, Repaired), conflict]);
}

#[test]
fn a_range_without_ram_is_dropped_and_others_are_not_cut_to_the_ram() {
    let (ranges, reported) = read(&[memory(0, 2 * MIB, 0), memory(4 * MIB, MIB, 1)], &[(MIB, MIB + 1)]);
    assert_eq!(
        (ranges, reported),
        ([(0, 2 * MIB, 0)].to_vec(), [(112, "srat.memory.no-ram", Dropped)].to_vec())
    );
}

#[test]
fn a_range_that_the_memory_map_reserves_is_no_memory_and_no_finding() {
    // SGX enclave memory is in the SRAT, and reserved in the memory map.
    let entries = [memory(0, 2 * MIB, 0), memory(8 * MIB, MIB, 0), memory(9 * MIB, 2 * MIB, 1)];
    let srat = TableBuilder::srat(3).entry(&cpu(0, 0)).entries(entries);
    let mut machine = Machine::of(srat, cpus([0])).with_ram(&[(0, 2 * MIB)]);
    for (reserved, rules) in [
        (&[PhysRange::new(8 * MIB, 11 * MIB)][..], &[][..]),
        (&[PhysRange::new(8 * MIB, 9 * MIB), PhysRange::new(9 * MIB, 11 * MIB)], &[]),
        (&[PhysRange::new(8 * MIB, 11 * MIB - 1)], &[(152, "srat.memory.no-ram", Dropped)]),
        (&[PhysRange::new(8 * MIB + 1, 11 * MIB)], &[(112, "srat.memory.no-ram", Dropped)]),
    ] {
        machine.reserved = reserved.to_vec();
        let (topology, reported) = machine.build();
        check(&topology, &machine.ram);
        assert_eq!((ranges(&topology), domains(&topology)), ([(0, 2 * MIB, 0)].to_vec(), [0].to_vec()));
        assert_eq!(reported, rules);
    }
}

#[test]
fn hot_pluggable_ranges_are_cut_to_the_ram() {
    let entries = [memory(0, MIB, 0), memory_with(HOT, 2 * MIB, 8 * MIB, 1)];
    let (ranges, reported) = read(&entries, &[(0, MIB), (3 * MIB, 4 * MIB), (5 * MIB, 11 * MIB)]);
    assert_eq!(ranges[..3], [(0, MIB, 0), (3 * MIB, 4 * MIB, 1), (5 * MIB, 10 * MIB, 1)]);
    assert_eq!(ranges[3..], [(10 * MIB, 11 * MIB, 1)], "uncovered RAM goes to the range before it");
    assert_eq!(reported, [(0, "srat.memory.uncovered", Repaired)]);
}

#[test]
fn without_a_map_hot_pluggable_ranges_are_kept_and_marked() {
    let srat = TableBuilder::srat(3).entry(&memory(0, MIB, 0)).entry(&memory_with(HOT, MIB, MIB, 0));
    let (topology, reported) = Machine { srat: Some(srat.build()), ..Machine::default() }.build();
    let hot: Vec<bool> = topology.ranges().iter().map(|range| range.hot_pluggable).collect();
    assert_eq!((hot, reported), ([false, true].to_vec(), [].to_vec()));
}

#[test]
fn present_memory_precedes_hot_pluggable_memory_at_the_same_address() {
    let (ranges, _) = read(&[memory_with(HOT, 0, MIB, 0), memory(0, MIB, 1)], &[(0, MIB)]);
    assert_eq!(ranges, [(0, MIB, 1)]);
    let srat = TableBuilder::srat(3).entry(&memory_with(HOT, 0, MIB, 0)).entry(&memory(0, MIB, 1));
    let (topology, _) = Machine { srat: Some(srat.build()), ..Machine::default() }.build();
    assert_eq!(domains(&topology), [1]);
}

#[test]
fn ram_that_is_present_stays_with_its_domain_where_a_hot_pluggable_window_starts_inside_it() {
    // A window of domain 1 starts inside the RAM of domain 0, and has RAM of domain 1 inside it.
    let window = memory_with(HOT, 2 * MIB, 16 * MIB, 1);
    let entries = [memory(0, 3 * MIB, 0), window, memory(3 * MIB, MIB, 1)];
    for (entries, conflict) in [(entries, 72), ([entries[2], entries[1], entries[0]], 152)] {
        let (ranges, reported) = read(&entries, &[(0, 4 * MIB)]);
        assert_eq!(ranges, [(0, 3 * MIB, 0), (3 * MIB, 4 * MIB, 1)]);
        let overlap = if conflict == 72 { 152 } else { 72 };
        let expected =
            [(conflict, "srat.memory.conflict", Repaired), (overlap, "srat.memory.overlap", Repaired)];
        assert_eq!(reported, expected);
    }
}

#[test]
fn a_window_keeps_the_ram_that_no_other_range_covers() {
    let entries = [memory_with(HOT, 0, 8 * MIB, 1), memory(2 * MIB, MIB, 0), memory(4 * MIB, MIB, 0)];
    let (ranges, _) = read(&entries, &[(0, 8 * MIB)]);
    let expected = [(0, 2, 1), (2, 3, 0), (3, 4, 1), (4, 5, 0), (5, 8, 1)]
        .map(|(start, end, node)| (start * MIB, end * MIB, node));
    assert_eq!(ranges, expected);
}

#[test]
fn disabled_ranges_are_ignored_without_a_finding() {
    let mut disabled = memory(2 * MIB, 1, 1);
    disabled.flags = 0.into();
    let (ranges, reported) = read(&[memory(0, MIB, 0), disabled], &[]);
    assert_eq!((ranges, reported), ([(0, MIB, 0)].to_vec(), [].to_vec()));
}
