//! A machine for tests: its tables, its memory map, and its topology.
use acpi_tables::builder::{
    TableBuilder, local_apic, local_apic_affinity, local_x2apic, memory_affinity, x2apic_affinity,
};
use acpi_tables::wire::{MadtLocalX2Apic, SratMemoryAffinity, SratX2ApicAffinity};
use acpi_tables::{Action, Finding, find_hmat, find_madt, find_msct, find_slit, find_srat};
use std::boxed::Box;
use std::vec::Vec;
use units::{ApicId, NodeId, PhysRange, ProximityDomain};

pub use crate::invariants::check;
use crate::{ApicMode, Inputs, NumaMode, NumaTopology};

pub const MIB: u64 = 1 << 20;

/// The parts of a finding that tests compare: offset, rule id, action.
pub type Reported = (u32, &'static str, Action);

/// The tables and the memory map. A table that is `None` is missing.
#[derive(Clone, Default, Debug)]
pub struct Machine {
    pub srat: Option<Vec<u8>>,
    pub slit: Option<Vec<u8>>,
    pub madt: Option<Vec<u8>>,
    pub hmat: Option<Vec<u8>>,
    pub msct: Option<Vec<u8>>,
    pub ram: Vec<PhysRange>,
    /// Memory that the memory map lists, but not as RAM.
    pub reserved: Vec<PhysRange>,
    pub boot_cpu: Option<ApicId>,
    pub apic_mode: ApicMode,
    pub numa: NumaMode,
}

impl Machine {
    /// Creates a machine with only these tables.
    pub fn of(srat: TableBuilder, madt: TableBuilder) -> Self {
        Self { srat: Some(srat.build()), madt: Some(madt.build()), ..Self::default() }
    }

    /// Creates the two-node machine as QEMU describes it: 256 MiB and two CPUs on each node.
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

    /// Replaces the memory map by these ranges of RAM.
    pub fn with_ram(self, ram: &[(u64, u64)]) -> Self {
        Self { ram: ram.iter().map(|&(start, end)| PhysRange::new(start, end)).collect(), ..self }
    }

    /// Returns all memory that the memory map lists, in ascending order, with adjacent ranges merged.
    fn known(&self) -> Vec<PhysRange> {
        let mut known: Vec<PhysRange> = self.ram.iter().chain(&self.reserved).copied().collect();
        known.sort_by_key(|range| range.start);
        known.dedup_by(|next, range| {
            let touches = next.start <= range.end;
            range.end = if touches { range.end.max(next.end) } else { range.end };
            touches
        });
        known
    }

    /// Returns the topology and all findings, including those of the tables.
    pub fn build(&self) -> (Box<NumaTopology>, Vec<Reported>) {
        let mut reported = Vec::new();
        let mut findings =
            |finding: Finding| reported.push((finding.offset, finding.rule.id(), finding.action));
        let known = self.known();
        let inputs = Inputs {
            srat: find_srat(self.srat.as_deref(), &mut findings),
            slit: find_slit(self.slit.as_deref(), &mut findings),
            madt: find_madt(self.madt.as_deref(), &mut findings),
            hmat: find_hmat(self.hmat.as_deref(), &mut findings),
            msct: find_msct(self.msct.as_deref(), &mut findings),
            ram: &self.ram,
            known: &known,
            boot_cpu: self.boot_cpu,
            apic_mode: self.apic_mode,
            numa: self.numa,
        };
        let mut topology = Box::new(NumaTopology::EMPTY);
        topology.rebuild(&inputs, &mut findings);
        (topology, reported)
    }
}

/// Starts a MADT with enabled CPUs of these APIC ids. Their UIDs are greater by 100.
pub fn cpus(apic_ids: impl IntoIterator<Item = u8>) -> TableBuilder {
    TableBuilder::madt().entries(apic_ids.into_iter().map(|id| local_apic(100 + id, id)))
}

/// Returns a MADT entry of a CPU that is not enabled.
pub fn absent_cpu(apic_id: u32) -> MadtLocalX2Apic {
    let mut entry = local_x2apic(0, ApicId(apic_id));
    entry.flags = 0.into();
    entry
}

/// Returns an SRAT entry for a CPU.
pub fn cpu(apic_id: u32, domain: u32) -> SratX2ApicAffinity {
    x2apic_affinity(ApicId(apic_id), ProximityDomain(domain))
}

/// Returns an SRAT entry for memory.
pub fn memory(base: u64, length: u64, domain: u32) -> SratMemoryAffinity {
    memory_affinity(base, length, ProximityDomain(domain))
}

/// Returns an SRAT entry for memory with additional flags.
pub fn memory_with(flags: u32, base: u64, length: u64, domain: u32) -> SratMemoryAffinity {
    let mut entry = memory(base, length, domain);
    entry.flags = (SratMemoryAffinity::ENABLED | flags).into();
    entry
}

pub fn node(index: usize) -> NodeId {
    NodeId::new(index).expect("a node's index")
}

/// Returns all ranges as (start, end, node).
pub fn ranges(topology: &NumaTopology) -> Vec<(u64, u64, usize)> {
    topology
        .ranges()
        .iter()
        .map(|range| (range.range.start.0, range.range.end.0, range.node.index()))
        .collect()
}

/// Returns the domains of the nodes.
pub fn domains(topology: &NumaTopology) -> Vec<u32> {
    topology.nodes().iter().map(|node| node.domain.0).collect()
}

/// Returns the CPUs as (APIC id, node), ordered by id.
pub fn placed(topology: &NumaTopology) -> Vec<(u32, usize)> {
    topology.cpus().iter().map(|cpu| (cpu.apic_id.0, cpu.node.index())).collect()
}
