//! A machine whose SRAT, SLIT, HMAT and MSCT are the test's own, and assertions about its topology.
use std::fs;

use acpi_tables::builder::{TableBuilder, local_apic_affinity, memory_affinity};
use acpi_tables::wire::{SratMemoryAffinity, SratProcessorAffinity};
use boot::event::{Memory, Topology};
use boot::{Machine, Run, Verdict};
use units::ProximityDomain;

use crate::common::{ExpectedNode, MIB, assert_cpus, boot};

/// The machine's memory in bytes. The machine has four CPUs.
const MEMORY: u64 = 512 * MIB;
/// A length that stands for "to the end of RAM". Firmware reserves a little at the end.
pub const REST: u64 = u64::MAX;

/// An expected finding: rule and action.
pub type Reported<'a> = (&'a str, &'a str);

/// Returns an enabled entry for a CPU.
pub fn cpu(apic_id: u8, domain: u32) -> SratProcessorAffinity {
    local_apic_affinity(apic_id, ProximityDomain(domain))
}

/// Returns an enabled entry for memory. Base and length are in MiB.
pub fn memory(base_mib: u64, length_mib: u64, domain: u32) -> SratMemoryAffinity {
    memory_affinity(base_mib * MIB, length_mib * MIB, ProximityDomain(domain))
}

/// Returns an SRAT with entries for the CPUs: the first two in one domain, the others in the other.
pub fn cpus_in(revision: u8, first: u32, second: u32) -> TableBuilder {
    TableBuilder::srat(revision).entries([cpu(0, first), cpu(1, first), cpu(2, second), cpu(3, second)])
}

/// Returns a sound SRAT of two nodes, to which a test adds faults.
pub fn two_nodes() -> TableBuilder {
    cpus_in(3, 0, 1).entry(&memory(0, 256, 0)).entry(&memory(256, 256, 1))
}

/// The two nodes of [`two_nodes`], as the topology event lists them.
pub const TWO_NODES: &[ExpectedNode<'_>] =
    &[ExpectedNode(0, &[0, 1], &[(0, 256 * MIB)]), ExpectedNode(1, &[2, 3], &[(256 * MIB, 256 * MIB)])];

/// Boots the machine with these tables in addition to its firmware's. QEMU sets their lengths and checksums.
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

/// Asserts that the machine boots with exactly these findings and nodes. Without `distances`, the distances are 10 and 20.
#[track_caller]
pub fn assert_understood(
    tables: &[TableBuilder],
    reported: &[Reported<'_>],
    nodes: &[ExpectedNode<'_>],
    distances: &[&[u8]],
) {
    let tables: Vec<Vec<u8>> = tables.iter().map(|table| table.clone().build()).collect();
    let run = boot_with(&tables);
    assert_reported(&run, reported);
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

/// Asserts that the machine boots with exactly these findings, as one node of all memory and all CPUs.
#[track_caller]
pub fn assert_one_node(tables: &[Vec<u8>], reported: &[Reported<'_>]) {
    let run = boot_with(tables);
    assert_reported(&run, reported);
    let topology = run.topology();
    assert_eq!(topology.source, "none");
    let [node] = &topology.nodes[..] else { panic!("{topology:?}") };
    assert_eq!((node.domain, &node.cpus[..]), (0, &[0, 1, 2, 3][..]));
    assert_sound(&run, &topology);
}

/// Asserts that exactly these findings are reported.
#[track_caller]
pub fn assert_reported(run: &Run, reported: &[Reported<'_>]) {
    let findings = run.findings();
    let seen: Vec<Reported<'_>> =
        findings.iter().map(|finding| (&finding.rule[..], &finding.action[..])).collect();
    assert_eq!(seen, reported, "\n{}", run.serial);
}

/// Asserts what holds whatever the tables say: all memory belongs to a node, and all CPUs are online.
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
