//! Properties of selecting a CPU, and of the order of nodes.
use super::*;
use acpi_tables::builder::{TableBuilder, local_apic, local_apic_affinity, memory_affinity};
use acpi_tables::{find_madt, find_slit, find_srat};
use proptest::prelude::*;
use std::vec::Vec;
use topology::{Inputs, NumaMode};
use units::{ApicId, PhysRange, ProximityDomain};

/// A machine with these numbers of CPUs on its nodes and these distances. Every node has 1 MiB.
fn machine(cpus: &[usize], distances: &[u8]) -> NumaTopology {
    let domain = |node: usize| ProximityDomain(node as u32);
    let memory = |node: usize| memory_affinity((node as u64) << 20, 1 << 20, domain(node));
    let apics =
        cpus.iter().enumerate().flat_map(|(node, &count)| core::iter::repeat_n(node, count)).enumerate();
    let srat = TableBuilder::srat(3)
        .entries((0..cpus.len()).map(memory))
        .entries(apics.clone().map(|(apic, node)| local_apic_affinity(apic as u8, domain(node))))
        .build();
    let madt =
        TableBuilder::madt().entries(apics.map(|(apic, _)| local_apic(apic as u8, apic as u8))).build();
    let slit = TableBuilder::slit(cpus.len() as u64, distances).build();
    let mut findings = |finding| panic!("the machine is sound: {finding}");
    let ram = [PhysRange::new(0, (cpus.len() as u64) << 20)];
    let inputs = Inputs {
        srat: find_srat([&srat[..]], &mut findings),
        madt: find_madt([&madt[..]], &mut findings),
        slit: find_slit([&slit[..]], &mut findings),
        ram: &ram,
        boot_cpu: Some(ApicId(0)),
        numa: NumaMode::FromFirmware,
        ..Inputs::default()
    };
    NumaTopology::build(&inputs, &mut findings)
}

fn map_of(topology: &NumaTopology, runs: impl Fn(CpuId) -> bool) -> CpuMap {
    CpuMap::new(topology, runs).expect("the host has enough memory")
}

fn node(index: usize) -> NodeId {
    NodeId::new(index).unwrap()
}

fn ids(cpus: impl Iterator<Item = CpuId>) -> Vec<u32> {
    cpus.map(|cpu| cpu.0).collect()
}

/// Selects a CPU while none is idle.
fn select(map: &CpuMap, node: NodeId, allowed: &CpuSet, load: impl Fn(CpuId) -> u32) -> Option<CpuId> {
    map.select_cpu(node, |word| allowed.words()[word], |_| 0, CpuId(0), load)
}

/// Node 1 has no CPUs and is nearer to 2 than to 0.
fn three_nodes() -> CpuMap {
    map_of(&machine(&[2, 0, 2], &[10, 20, 30, 20, 10, 15, 30, 15, 10]), |_| true)
}

fn everywhere() -> CpuSet {
    CpuSet::from_words(&[u64::MAX; crate::WORDS])
}

#[test]
fn a_thread_goes_to_the_least_busy_cpu_of_its_node() {
    let map = three_nodes();
    assert_eq!(select(&map, node(0), &everywhere(), |cpu| [3, 2, 0, 0][cpu.index()]), Some(CpuId(1)));
    assert_eq!(select(&map, node(2), &everywhere(), |cpu| [0, 0, 5, 7][cpu.index()]), Some(CpuId(2)));
}

#[test]
fn a_thread_of_a_node_without_cpus_goes_to_the_nearest_node_that_has_some() {
    assert_eq!(select(&three_nodes(), node(1), &everywhere(), |_| 0), Some(CpuId(2)));
}

#[test]
fn a_thread_keeps_its_affinity_however_far_its_cpus_are() {
    let map = three_nodes();
    let only_0 = CpuSet::from_iter([CpuId(0)]);
    assert_eq!(select(&map, node(2), &only_0, |_| 9), Some(CpuId(0)));
    assert_eq!(select(&map, node(2), &CpuSet::from_iter([CpuId(77)]), |_| 0), None);
}

#[test]
fn a_cpu_that_does_not_run_gets_no_threads() {
    let topology = machine(&[2, 2], &[10, 20, 20, 10]);
    let map = map_of(&topology, |cpu| cpu != CpuId(0));
    assert_eq!(select(&map, node(0), &everywhere(), |cpu| cpu.0), Some(CpuId(1)));
    assert_eq!(ids(map.all().iter()), [1, 2, 3]);
}

#[test]
fn nodes_are_listed_by_distance_and_equally_near_ones_in_turn_from_the_own_on() {
    let map = map_of(&machine(&[3, 2, 1], &[10, 30, 20, 30, 10, 15, 20, 15, 10]), |_| true);
    assert_eq!(map.nearest(node(0)), [node(0), node(2), node(1)]);
    let map = map_of(
        &machine(&[1, 1, 1, 1], &[10, 20, 20, 20, 20, 10, 20, 20, 20, 20, 10, 20, 20, 20, 20, 10]),
        |_| true,
    );
    assert_eq!(map.nearest(node(2)), [2, 3, 0, 1].map(node));
}

#[test]
fn an_idle_cpu_of_the_node_is_selected_before_any_busy_one() {
    let map = map_of(&machine(&[70, 70], &[10, 20, 20, 10]), |_| true);
    let select = |idle: &[u32], load: fn(CpuId) -> u32| {
        let idle = idle.iter().copied().map(CpuId).collect::<CpuSet>();
        map.select_cpu(node(1), |_| u64::MAX, |word| idle.words()[word], CpuId(0), load)
    };
    assert_eq!(select(&[3, 100, 139], |_| 0), Some(CpuId(100)));
    assert_eq!(select(&[3], |cpu| u32::from(cpu != CpuId(75))), Some(CpuId(75)));
}

#[test]
fn of_a_large_node_some_cpus_are_compared_from_one_on() {
    let map = map_of(&machine(&[100], &[10]), |_| true);
    let select =
        |from, load: fn(CpuId) -> u32| map.select_cpu(node(0), |_| u64::MAX, |_| 0, CpuId(from), load);
    assert_eq!(select(40, |cpu| 99 - cpu.0), Some(CpuId(40 + COMPARED as u32 - 1)));
    assert_eq!(select(90, |cpu| u32::from(cpu != CpuId(5))), Some(CpuId(5)));
    assert_eq!(select(90, |cpu| u32::from(cpu != CpuId(6))), Some(CpuId(90)));
    assert_eq!(select(99, |_| 0), Some(CpuId(99)));
    assert_eq!(select(0, |_| 0), Some(CpuId(0)));
}

proptest! {
    #[test]
    fn every_node_with_cpus_is_listed_once_and_none_before_a_nearer_one(
        (cpus, distances) in prop::collection::vec(0..4_usize, 1..6).prop_flat_map(|cpus| {
            let distances = prop::collection::vec(11..=254_u8, cpus.len() * cpus.len());
            (Just(cpus), distances)
        }),
    ) {
        let (count, mut distances) = (cpus.len(), distances);
        prop_assume!(cpus[0] > 0);
        (0..count).for_each(|n| distances[n * count + n] = 10);
        let topology = machine(&cpus, &distances);
        let map = map_of(&topology, |_| true);
        for from in topology.nodes() {
            let listed = map.nearest(from.id);
            let mut sorted = listed.to_vec();
            sorted.sort_unstable();
            let with_cpus: Vec<_> = (0..count).filter(|&n| cpus[n] > 0).map(node).collect();
            prop_assert_eq!(sorted, with_cpus);
            let far = listed.iter().map(|&to| topology.distance(from.id, to));
            prop_assert!(far.is_sorted());
        }
    }
}
