//! A machine whose tables of locality are the test's own, and what is to come of them.
use std::fs;

use acpi_tables::builder::{TableBuilder, local_apic_affinity, memory_affinity};
use acpi_tables::wire::{SratMemoryAffinity, SratProcessorAffinity};
use boot::event::{Memory, Topology};
use boot::{Machine, Run, Verdict};
use units::ProximityDomain;

use crate::common::{ExpectedNode, MIB, assert_cpus, boot};

/// The memory of the machine; it has four CPUs.
const MEMORY: u64 = 512 * MIB;
/// As a length: to where RAM ends. Firmware keeps a little at the end for itself.
pub const REST: u64 = u64::MAX;

/// A finding as a test expects it: rule and action.
pub type Told<'a> = (&'a str, &'a str);

/// An enabled entry for a CPU.
pub fn cpu(apic_id: u8, domain: u32) -> SratProcessorAffinity {
    local_apic_affinity(apic_id, ProximityDomain(domain))
}

/// An enabled entry for memory, in MiB.
pub fn memory(base_mib: u64, length_mib: u64, domain: u32) -> SratMemoryAffinity {
    memory_affinity(base_mib * MIB, length_mib * MIB, ProximityDomain(domain))
}

/// An SRAT of the CPUs: the first two in this domain, the others in that.
pub fn cpus_in(revision: u8, first: u32, second: u32) -> TableBuilder {
    TableBuilder::srat(revision).entries([cpu(0, first), cpu(1, first), cpu(2, second), cpu(3, second)])
}

/// A sound SRAT of two nodes, to which a test adds what is wrong.
pub fn two_nodes() -> TableBuilder {
    cpus_in(3, 0, 1).entry(&memory(0, 256, 0)).entry(&memory(256, 256, 1))
}

/// What a sound part of a table leaves: the two nodes as they are.
pub const TWO_NODES: &[ExpectedNode<'_>] =
    &[ExpectedNode(0, &[0, 1], &[(0, 256 * MIB)]), ExpectedNode(1, &[2, 3], &[(256 * MIB, 256 * MIB)])];

/// Boots the machine with these tables added to those of its firmware. QEMU sets their lengths and checksums.
pub fn boot_with(tables: &[Vec<u8>]) -> Run {
    let folder = tempfile::tempdir().unwrap();
    let mut machine = Machine::without_numa(4, MEMORY / MIB);
    for (number, table) in tables.iter().enumerate() {
        let path = folder.path().join(number.to_string());
        fs::write(&path, table).unwrap();
        machine = machine.arguments(["-acpitable", &format!("file={}", path.display())]);
    }
    boot(&machine, Verdict::Success)
}

/// Sees the machine boot with exactly these findings and nodes; distances of 10 and 20 unless `distances` says other.
#[track_caller]
pub fn assert_understood(
    tables: &[TableBuilder],
    told: &[Told<'_>],
    nodes: &[ExpectedNode<'_>],
    distances: &[&[u8]],
) {
    let tables: Vec<Vec<u8>> = tables.iter().map(|table| table.clone().build()).collect();
    let run = boot_with(&tables);
    assert_told(&run, told);
    let topology = run.topology();
    assert_eq!(topology.source, "srat");
    let seen: Vec<_> =
        topology.nodes.iter().map(|node| (node.domain, &node.cpus[..], to_the_rest(&node.memory))).collect();
    let expected: Vec<_> =
        nodes.iter().map(|ExpectedNode(domain, cpus, memory)| (*domain, *cpus, memory.to_vec())).collect();
    assert_eq!(seen, expected);
    let count = nodes.len();
    if distances.is_empty() {
        let default = |from, to| if from == to { 10 } else { 20 };
        let default: Vec<Vec<u8>> =
            (0..count).map(|from| (0..count).map(|to| default(from, to)).collect()).collect();
        assert_eq!(topology.distances, default);
    } else {
        assert_eq!(topology.distances, distances);
    }
    assert_sound(&run, &topology);
}

/// Sees the machine boot with exactly these findings, and as one node of all memory and all CPUs.
#[track_caller]
pub fn assert_one_node(tables: &[Vec<u8>], told: &[Told<'_>]) {
    let run = boot_with(tables);
    assert_told(&run, told);
    let topology = run.topology();
    assert_eq!(topology.source, "none");
    let [node] = &topology.nodes[..] else { panic!("{topology:?}") };
    assert_eq!((node.domain, &node.cpus[..]), (0, &[0, 1, 2, 3][..]));
    assert_sound(&run, &topology);
}

/// Sees exactly these findings told.
#[track_caller]
pub fn assert_told(run: &Run, told: &[Told<'_>]) {
    let findings = run.findings();
    let seen: Vec<Told<'_>> =
        findings.iter().map(|finding| (&finding.rule[..], &finding.action[..])).collect();
    assert_eq!(seen, told, "\n{}", run.serial);
}

/// Whatever the tables say: all memory is somebody's, and all CPUs have come.
#[track_caller]
pub fn assert_sound(run: &Run, topology: &Topology) {
    assert_cpus(run, topology);
    assert_eq!(run.cpus().len(), 4);
    let nodes = topology.nodes.iter();
    let with_memory: Vec<u32> = nodes.filter(|node| !node.memory.is_empty()).map(|node| node.id).collect();
    for order in &topology.fallback {
        let mut order = order.clone();
        order.sort_unstable();
        assert_eq!(order, with_memory, "a node that cannot ask every other for memory: {topology:?}");
    }
    let pages: u64 = topology.nodes.iter().map(|node| node.pages_total).sum();
    assert!(pages * 4096 >= MEMORY - 4 * MIB, "memory is lost: {topology:?}");
}

fn to_the_rest(ranges: &[Memory]) -> Vec<(u64, u64)> {
    let rest = MEMORY - 4 * MIB..MEMORY;
    let length =
        |range: &Memory| if rest.contains(&(range.base + range.length)) { REST } else { range.length };
    ranges.iter().map(|range| (range.base, length(range))).collect()
}
