//! Tests of RAM that no entry covers: the node that it goes to.
use acpi_tables::Action::Repaired;
use acpi_tables::builder::TableBuilder;
use acpi_tables::wire::SratMemoryAffinity;
use std::vec::Vec;

use super::machine::*;

const REPORTED: Reported = (0, "srat.memory.uncovered", Repaired);

fn read(entries: &[SratMemoryAffinity], ram: &[(u64, u64)]) -> (Vec<(u64, u64, usize)>, Vec<Reported>) {
    let srat = TableBuilder::srat(3).entry(&cpu(0, 0)).entry(&cpu(1, 1)).entries(entries.iter().copied());
    let machine = Machine::of(srat, cpus([0, 1])).with_ram(ram);
    let (topology, reported) = machine.build();
    check(&topology, &machine.ram);
    (ranges(&topology), reported)
}

#[test]
fn uncovered_ram_goes_to_the_range_before_it_which_grows_if_adjacent() {
    let entries = [memory(0, MIB, 1), memory(4 * MIB, MIB, 0)];
    let (ranges, reported) = read(&entries, &[(0, 2 * MIB), (3 * MIB, 4 * MIB), (4 * MIB, 9 * MIB)]);
    assert_eq!(ranges, [(0, 2 * MIB, 1), (3 * MIB, 4 * MIB, 1), (4 * MIB, 9 * MIB, 0)]);
    assert_eq!(reported, [REPORTED; 2], "one finding for each gap");
}

#[test]
fn uncovered_ram_before_the_first_range_goes_to_that_range() {
    let (ranges, reported) = read(&[memory(2 * MIB, MIB, 1)], &[(0, 0x9_fc00), (MIB, 3 * MIB)]);
    assert_eq!(ranges, [(0, 0x9_fc00, 1), (MIB, 2 * MIB, 1), (2 * MIB, 3 * MIB, 1)]);
    assert_eq!(reported, [REPORTED]);
}

#[test]
fn without_any_range_all_ram_goes_to_node_0() {
    let (ranges, reported) = read(&[], &[(0, 0x9_fc00), (MIB, 3 * MIB)]);
    assert_eq!((ranges, reported), ([(0, 0x9_fc00, 0), (MIB, 3 * MIB, 0)].to_vec(), [REPORTED].to_vec()));
}

#[test]
fn a_hot_pluggable_range_does_not_grow_over_uncovered_ram() {
    let hot = memory_with(SratMemoryAffinity::HOT_PLUGGABLE, 0, MIB, 0);
    let (ranges, reported) = read(&[hot], &[(0, 2 * MIB)]);
    assert_eq!((ranges, reported), ([(0, MIB, 0), (MIB, 2 * MIB, 0)].to_vec(), [REPORTED].to_vec()));
}

#[test]
fn one_lost_entry_of_two_nodes_costs_no_frame() {
    let mut machine = Machine::two_nodes();
    let table = machine.srat.as_mut().expect("an SRAT");
    // The entry of the second node's memory, at 192, becomes too short.
    table[193] = 39;
    let (topology, reported) = machine.build();
    check(&topology, &machine.ram);
    assert_eq!(ranges(&topology), [(0, 0xa_0000, 0), (MIB, 511 * MIB, 0)]);
    assert_eq!(domains(&topology), [0, 1], "the second node still has CPUs");
    assert!(reported.contains(&REPORTED));
}
