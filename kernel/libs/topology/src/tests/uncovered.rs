//! RAM that no entry covers: whose it is.
use acpi_tables::Action::Mended;
use acpi_tables::builder::TableBuilder;
use acpi_tables::wire::SratMemoryAffinity;
use std::vec::Vec;

use super::machine::*;

const TOLD: Told = (0, "srat.memory.uncovered", Mended);

fn read(entries: &[SratMemoryAffinity], ram: &[(u64, u64)]) -> (Vec<(u64, u64, usize)>, Vec<Told>) {
    let srat = TableBuilder::srat(3).entry(&cpu(0, 0)).entry(&cpu(1, 1)).entries(entries.iter().copied());
    let machine = Machine::of(srat, cpus([0, 1])).with_ram(ram);
    let (topology, told) = machine.build();
    check(&topology, &machine.ram);
    (ranges(&topology), told)
}

#[test]
fn it_goes_to_the_range_before_it_which_grows_where_it_touches() {
    let entries = [memory(0, MIB, 1), memory(4 * MIB, MIB, 0)];
    let (ranges, told) = read(&entries, &[(0, 2 * MIB), (3 * MIB, 4 * MIB), (4 * MIB, 9 * MIB)]);
    assert_eq!(ranges, [(0, 2 * MIB, 1), (3 * MIB, 4 * MIB, 1), (4 * MIB, 9 * MIB, 0)]);
    assert_eq!(told, [TOLD; 2], "one finding for each gap");
}

#[test]
fn before_the_first_range_it_goes_to_that_one() {
    let (ranges, told) = read(&[memory(2 * MIB, MIB, 1)], &[(0, 0x9_fc00), (MIB, 3 * MIB)]);
    assert_eq!(ranges, [(0, 0x9_fc00, 1), (MIB, 2 * MIB, 1), (2 * MIB, 3 * MIB, 1)]);
    assert_eq!(told, [TOLD]);
}

#[test]
fn without_any_range_it_is_all_of_node_0() {
    let (ranges, told) = read(&[], &[(0, 0x9_fc00), (MIB, 3 * MIB)]);
    assert_eq!((ranges, told), ([(0, 0x9_fc00, 0), (MIB, 3 * MIB, 0)].to_vec(), [TOLD].to_vec()));
}

#[test]
fn a_hot_pluggable_range_does_not_grow_over_it() {
    let hot = memory_with(SratMemoryAffinity::HOT_PLUGGABLE, 0, MIB, 0);
    let (ranges, told) = read(&[hot], &[(0, 2 * MIB)]);
    assert_eq!((ranges, told), ([(0, MIB, 0), (MIB, 2 * MIB, 0)].to_vec(), [TOLD].to_vec()));
}

#[test]
fn one_lost_entry_of_two_nodes_costs_no_frame() {
    let mut machine = Machine::two_nodes();
    let table = machine.srat.as_mut().expect("an SRAT");
    // The second node's memory, at 192, becomes too short.
    table[193] = 39;
    let (topology, told) = machine.build();
    check(&topology, &machine.ram);
    assert_eq!(ranges(&topology), [(0, 0xa_0000, 0), (MIB, 511 * MIB, 0)]);
    assert_eq!(domains(&topology), [0, 1], "its CPUs are still there");
    assert!(told.contains(&TOLD));
}
