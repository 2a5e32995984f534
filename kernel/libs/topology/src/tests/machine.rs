//! A machine for tests: its tables and its memory map, and what is made of them.
use acpi_tables::builder::{
    TableBuilder, local_apic, local_apic_affinity, local_x2apic, memory_affinity, x2apic_affinity,
};
use acpi_tables::wire::{MadtLocalX2Apic, SratMemoryAffinity, SratX2ApicAffinity};
use acpi_tables::{Action, Finding, find_hmat, find_madt, find_msct, find_slit, find_srat};
use std::boxed::Box;
use std::vec::Vec;
use units::{ApicId, NodeId, PhysAddr, PhysRange, ProximityDomain};

use crate::{Inputs, NumaMode, NumaTopology, Performance};

pub const MIB: u64 = 1 << 20;

/// What a test compares of a finding: offset, rule id, action.
pub type Told = (u32, &'static str, Action);

/// The tables and the memory map; a table is left out by setting it to `None`.
#[derive(Clone, Default, Debug)]
pub struct Machine {
    pub srat: Option<Vec<u8>>,
    pub slit: Option<Vec<u8>>,
    pub madt: Option<Vec<u8>>,
    pub hmat: Option<Vec<u8>>,
    pub msct: Option<Vec<u8>>,
    pub ram: Vec<PhysRange>,
    pub boot_cpu: Option<ApicId>,
    pub numa: NumaMode,
}

impl Machine {
    /// A machine with these tables and no more.
    pub fn of(srat: TableBuilder, madt: TableBuilder) -> Self {
        Self { srat: Some(srat.build()), madt: Some(madt.build()), ..Self::default() }
    }

    /// The plan's machine: two nodes of 256 MiB and two CPUs each, as QEMU describes it.
    pub fn two_nodes() -> Self {
        let srat = TableBuilder::srat(1)
            .entries((0..4).map(|id| local_apic_affinity(id, ProximityDomain((id / 2).into()))))
            .entry(&memory(0, 0xa_0000, 0))
            .entry(&memory(MIB, 255 * MIB, 0))
            .entry(&memory(256 * MIB, 256 * MIB, 1));
        Self {
            slit: Some(TableBuilder::slit(2, &[10, 20, 20, 10]).build()),
            ram: [PhysRange::new(0, 0x9_fc00), PhysRange::new(MIB, 511 * MIB)].to_vec(),
            boot_cpu: Some(ApicId(0)),
            ..Self::of(srat, cpus(0..4))
        }
    }

    /// The same with RAM in these places.
    pub fn with_ram(self, ram: &[(u64, u64)]) -> Self {
        Self { ram: ram.iter().map(|&(start, end)| PhysRange::new(start, end)).collect(), ..self }
    }

    /// The topology, and what was told on the way, tables included.
    pub fn build(&self) -> (Box<NumaTopology>, Vec<Told>) {
        let mut told = Vec::new();
        let mut findings = |finding: Finding| told.push((finding.offset, finding.rule.id(), finding.action));
        let inputs = Inputs {
            srat: find_srat(self.srat.as_deref(), &mut findings),
            slit: find_slit(self.slit.as_deref(), &mut findings),
            madt: find_madt(self.madt.as_deref(), &mut findings),
            hmat: find_hmat(self.hmat.as_deref(), &mut findings),
            msct: find_msct(self.msct.as_deref(), &mut findings),
            ram: &self.ram,
            boot_cpu: self.boot_cpu,
            numa: self.numa,
        };
        let mut topology = Box::new(NumaTopology::EMPTY);
        topology.rebuild(&inputs, &mut findings);
        (topology, told)
    }
}

/// A MADT of these CPUs, enabled, by APIC id; their UIDs are 100 more.
pub fn cpus(apic_ids: impl IntoIterator<Item = u8>) -> TableBuilder {
    TableBuilder::madt().entries(apic_ids.into_iter().map(|id| local_apic(100 + id, id)))
}

/// A MADT entry of a CPU that may come later.
pub fn absent_cpu(apic_id: u32) -> MadtLocalX2Apic {
    let mut entry = local_x2apic(0, ApicId(apic_id));
    entry.flags = 0.into();
    entry
}

/// An SRAT entry that places a CPU.
pub fn cpu(apic_id: u32, domain: u32) -> SratX2ApicAffinity {
    x2apic_affinity(ApicId(apic_id), ProximityDomain(domain))
}

/// An SRAT entry for memory.
pub fn memory(base: u64, length: u64, domain: u32) -> SratMemoryAffinity {
    memory_affinity(base, length, ProximityDomain(domain))
}

/// The same with more flags.
pub fn memory_with(flags: u32, base: u64, length: u64, domain: u32) -> SratMemoryAffinity {
    let mut entry = memory(base, length, domain);
    entry.flags = (SratMemoryAffinity::ENABLED | flags).into();
    entry
}

pub fn node(index: usize) -> NodeId {
    NodeId::new(index).expect("a node's index")
}

/// All ranges as (start, end, node).
pub fn ranges(topology: &NumaTopology) -> Vec<(u64, u64, usize)> {
    topology
        .ranges()
        .iter()
        .map(|range| (range.range.start.0, range.range.end.0, range.node.index()))
        .collect()
}

/// The domains of the nodes.
pub fn domains(topology: &NumaTopology) -> Vec<u32> {
    topology.nodes().iter().map(|node| node.domain.0).collect()
}

/// The CPUs as (APIC id, node), by id.
pub fn placed(topology: &NumaTopology) -> Vec<(u32, usize)> {
    topology.cpus().iter().map(|cpu| (cpu.apic_id.0, cpu.node.index())).collect()
}

/// What holds for every topology.
pub fn check(topology: &NumaTopology, ram: &[PhysRange]) {
    let ranges = topology.ranges();
    assert!(topology.node_count() >= 1);
    assert!(ranges.iter().all(|range| !range.range.is_empty()));
    assert!(ranges.windows(2).all(|pair| pair[0].range.end <= pair[1].range.start), "sorted and apart");
    assert!(
        topology.nodes().windows(2).all(|pair| pair[0].domain < pair[1].domain),
        "ids ascend with domains"
    );
    for (index, node) in topology.nodes().iter().enumerate() {
        assert_eq!(node.id.index(), index);
        let own = || topology.ranges_of(node.id).map(|range| range.range);
        assert_eq!(node.memory_size, own().map(PhysRange::len_bytes).sum());
        assert_eq!(node.memory_base, own().map(|range| range.start.0).min().unwrap_or(0));
        let on_node = topology.cpus().iter().filter(|cpu| cpu.node == node.id).count();
        assert_eq!(node.cpu_count as usize, on_node);
        assert!(
            node.memory_size > 0 || on_node > 0 || topology.node_count() == 1,
            "no node without anything"
        );
        assert_eq!(topology.distance(node.id, node.id), Some(10));
        check_fallback(topology, node.id);
    }
    for (index, cpu) in topology.cpus().iter().enumerate() {
        assert_eq!((cpu.id.index(), topology.node_of_cpu(cpu.apic_id)), (index, Some(cpu.node)));
    }
    ram.iter().for_each(|ram| check_owners(topology, *ram));
    if let Some(performance) = topology.performance() {
        check_performance(topology, performance);
    }
}

fn check_performance(topology: &NumaTopology, performance: &Performance) {
    let initiators = performance.initiators();
    assert!(initiators.windows(2).all(|pair| pair[0].domain < pair[1].domain), "initiators ascend");
    for node in topology.nodes() {
        let initiates = initiators.iter().any(|initiator| initiator.node == Some(node.id));
        assert!(initiates || node.cpu_count == 0, "a node with CPUs is an initiator");
        let attached = performance.attached_initiator(node.id);
        assert!(attached.is_none_or(|domain| initiators.iter().any(|initiator| initiator.domain == domain)));
        for (index, initiator) in initiators.iter().enumerate() {
            assert!(performance.reach(index, node.id).is_some());
            assert!(initiator.node.is_none_or(|from| performance.between(from, node.id).is_some()));
        }
    }
    let caches = performance.side_caches();
    assert!(caches.windows(2).all(|pair| (pair[0].node, pair[0].level) < (pair[1].node, pair[1].level)));
    assert!(caches.iter().all(|cache| topology.node(cache.node).is_some()));
}

/// Every frame of RAM, touched ones included, is one node's, and every byte of RAM is in a range.
fn check_owners(topology: &NumaTopology, ram: PhysRange) {
    let frames = ram.touched_frames();
    for frame in frames.start.0..frames.end.0.min(frames.start.0 + 512) {
        let frame = PhysRange::new(frame * units::FRAME_SIZE, (frame + 1) * units::FRAME_SIZE);
        let own = |range: &&crate::MemoryRange| !range.range.intersection(frame).is_empty();
        let mut owners: Vec<_> = topology.ranges().iter().filter(own).map(|range| range.node).collect();
        owners.dedup();
        assert_eq!(owners.len(), 1, "frame at {}", frame.start);
        for address in [frame.start.max(ram.start), PhysAddr(frame.end.min(ram.end).0 - 1)] {
            assert_eq!(topology.node_of_address(address), Some(owners[0]), "at {address}");
        }
    }
}

fn check_fallback(topology: &NumaTopology, from: NodeId) {
    let order = topology.fallback(from);
    let with_memory = topology.nodes().iter().filter(|node| node.memory_size > 0).map(|node| node.id);
    let mut sorted = order.to_vec();
    sorted.sort_unstable();
    assert!(with_memory.eq(sorted), "every node with memory is there once");
    let own = topology.node(from).is_some_and(|node| node.memory_size > 0);
    assert_eq!(order.first() == Some(&from), own, "a node asks itself first");
    let others: Vec<_> =
        order.iter().filter(|to| **to != from).map(|to| topology.distance(from, *to)).collect();
    assert!(others.is_sorted(), "nearest first");
}
