//! Tests of the choice of domains that become nodes, of their numbers, and of machines without a usable SRAT.
use acpi_tables::Action::{Dropped, Refused};
use acpi_tables::builder::TableBuilder;
use acpi_tables::wire::SratMemoryAffinity;
use units::{ApicId, PhysAddr};

use super::machine::*;
use crate::{NumaMode, Source};

#[test]
fn the_two_node_machine_has_two_nodes_as_described() {
    let machine = Machine::two_nodes();
    let (topology, reported) = machine.build();
    check(&topology, &machine.ram);
    assert_eq!(reported, []);
    assert_eq!((topology.source(), topology.node_count()), (Source::Srat, 2));
    assert_eq!(ranges(&topology), [(0, 0xa_0000, 0), (MIB, 256 * MIB, 0), (256 * MIB, 512 * MIB, 1)]);
    assert_eq!(placed(&topology), [(0, 0), (1, 0), (2, 1), (3, 1)]);
    assert_eq!(topology.cpus()[2].acpi_processor_uid, Some(102));
    let second = topology.node(node(1)).expect("a second node");
    assert_eq!((second.memory_base, second.memory_size, second.cpu_count), (256 * MIB, 256 * MIB, 2));
    assert_eq!(topology.node(node(2)), None);
    assert_eq!(topology.node_of_address(PhysAddr(0xa_0000)), None);
    assert_eq!(topology.node_of_address(PhysAddr(256 * MIB - 1)), Some(node(0)));
    assert_eq!(topology.node_of_address(PhysAddr(256 * MIB)), Some(node(1)));
    assert_eq!(topology.node_of_address(PhysAddr(u64::MAX)), None);
    assert_eq!(topology.node_of_cpu(ApicId(4)), None);
}

#[test]
fn node_ids_ascend_with_the_domain_for_any_order_and_gaps() {
    let srat = TableBuilder::srat(3)
        .entry(&memory(0, MIB, 300))
        .entry(&cpu(0, u32::MAX))
        .entry(&cpu(1, 5))
        .entry(&memory(MIB, MIB, 5));
    let (topology, reported) = Machine::of(srat, cpus([0, 1])).build();
    assert_eq!(domains(&topology), [5, 300, u32::MAX]);
    assert_eq!(ranges(&topology), [(0, MIB, 1), (MIB, 2 * MIB, 0)]);
    assert_eq!(placed(&topology), [(0, 2), (1, 0)]);
    assert_eq!(reported, []);
}

#[test]
fn memory_less_and_cpu_less_nodes_are_nodes() {
    let srat = TableBuilder::srat(3).entry(&cpu(0, 1)).entry(&memory(0, MIB, 2)).entry(&memory(MIB, MIB, 3));
    let machine = Machine::of(srat, cpus([0])).with_ram(&[(0, 2 * MIB)]);
    let (topology, reported) = machine.build();
    check(&topology, &machine.ram);
    assert_eq!((domains(&topology), reported), ([1, 2, 3].to_vec(), [].to_vec()));
    let first = topology.node(node(0)).expect("a first node");
    assert_eq!((first.cpu_count, first.memory_base, first.memory_size), (1, 0, 0));
    assert_eq!(topology.fallback(node(0)), [node(1), node(2)]);
}

#[test]
fn a_domain_with_only_absent_cpus_is_no_node() {
    let srat = TableBuilder::srat(3).entry(&memory(0, MIB, 0)).entries([cpu(0, 0), cpu(1, 1), cpu(2, 1)]);
    let (topology, reported) = Machine::of(srat, cpus([0]).entry(&absent_cpu(1))).build();
    assert_eq!(domains(&topology), [0]);
    assert_eq!(reported, [(136, "srat.cpu.unknown", Dropped)]);
}

#[test]
fn a_domain_with_only_empty_slots_or_persistent_memory_is_no_node() {
    let srat = TableBuilder::srat(3)
        .entry(&cpu(0, 0))
        .entry(&memory(0, MIB, 0))
        .entry(&memory_with(SratMemoryAffinity::HOT_PLUGGABLE, 4 * MIB, MIB, 1))
        .entry(&memory_with(SratMemoryAffinity::NON_VOLATILE, 8 * MIB, MIB, 2));
    let machine = Machine::of(srat, cpus([0])).with_ram(&[(0, MIB)]);
    let (topology, reported) = machine.build();
    assert_eq!((domains(&topology), reported), ([0].to_vec(), [].to_vec()));
    let (topology, _) = machine.with_ram(&[]).build();
    assert_eq!(domains(&topology), [0, 1], "without a map the slots may contain memory");
}

#[test]
fn without_an_srat_the_machine_is_one_node() {
    let machine = Machine { srat: None, ..Machine::two_nodes() };
    let (topology, reported) = machine.build();
    check(&topology, &machine.ram);
    assert_eq!(reported, [(0, "slit.srat", Refused)]);
    assert_eq!((topology.source(), domains(&topology)), (Source::None, [0].to_vec()));
    assert_eq!(ranges(&topology), [(0, 0x9_fc00, 0), (MIB, 511 * MIB, 0)]);
    assert_eq!(placed(&topology), [(0, 0), (1, 0), (2, 0), (3, 0)]);
    assert_eq!(topology.fallback(node(0)), [node(0)]);
    assert!(!topology.has_distance_matrix());
}

#[test]
fn numa_off_gives_the_same_node_although_there_is_an_srat() {
    let machine = Machine { numa: NumaMode::Off, ..Machine::two_nodes() };
    let (off, reported) = machine.build();
    let (none, _) = Machine { srat: None, ..Machine::two_nodes() }.build();
    assert_eq!((off.source(), reported), (Source::Off, [].to_vec()));
    assert_eq!((off.nodes(), off.cpus(), off.ranges()), (none.nodes(), none.cpus(), none.ranges()));
    assert!(!off.has_distance_matrix());
}

#[test]
fn an_unreadable_srat_or_one_without_usable_entries_counts_as_none() {
    let two_nodes = Machine::two_nodes();
    let (none, _) = Machine { srat: None, ..two_nodes.clone() }.build();
    let mut cut = two_nodes.srat.clone().unwrap_or_default();
    cut.truncate(47);
    for (srat, rule) in
        [(cut, (4, "table.length", Refused)), (TableBuilder::srat(3).build(), (0, "srat.empty", Refused))]
    {
        let (topology, reported) = Machine { srat: Some(srat), ..two_nodes.clone() }.build();
        assert_eq!(topology, none);
        assert_eq!(reported, [rule, (0, "slit.srat", Refused)]);
    }
}

#[test]
fn without_tables_and_map_there_is_one_empty_node() {
    let (topology, reported) = Machine::default().build();
    check(&topology, &[]);
    assert_eq!(
        (topology.node_count(), topology.cpus(), topology.ranges(), reported),
        (1, &[][..], &[][..], [].to_vec())
    );
    assert_eq!(topology.fallback(node(0)), []);
}

#[test]
fn a_rebuilt_topology_keeps_nothing_of_the_old_one() {
    let mut topology = Machine::two_nodes().build().0;
    topology.rebuild(&crate::Inputs::default(), &mut |_: acpi_tables::Finding| {});
    assert_eq!(topology, Machine::default().build().0);
}
