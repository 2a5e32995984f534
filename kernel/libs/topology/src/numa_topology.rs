//! The topology as a value, and the questions that it answers.
use arrayvec::ArrayVec;
use units::{ApicId, MAX_NODES, NodeId, PhysAddr, ProximityDomain};

use crate::cpus::Cpus;
use crate::devices::Devices;
use crate::distances::Distances;
use crate::fallback::Fallback;
use crate::initiators;
use crate::persistent::PersistentRanges;
use crate::{Cpu, Device, Limits, MAX_RANGES, MemoryRange, Node, Performance, PersistentRange, Source};

/// A machine's nodes with their CPUs, memory and distances.
///
/// The value has about 450 KiB, most of which is never touched. A kernel keeps it in a static and fills it with
/// [`NumaTopology::rebuild`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NumaTopology {
    pub(crate) source: Source,
    pub(crate) nodes: ArrayVec<Node, MAX_NODES>,
    pub(crate) cpus: Cpus,
    pub(crate) ranges: ArrayVec<MemoryRange, MAX_RANGES>,
    pub(crate) persistent: PersistentRanges,
    pub(crate) devices: Devices,
    pub(crate) distances: Distances,
    pub(crate) fallback: Fallback,
    pub(crate) performance: Performance,
    pub(crate) limits: Option<Limits>,
}

impl NumaTopology {
    /// A topology without nodes and CPUs, as the initial value of a static.
    pub const EMPTY: Self = Self {
        source: Source::None,
        nodes: ArrayVec::new_const(),
        cpus: Cpus::EMPTY,
        ranges: ArrayVec::new_const(),
        persistent: PersistentRanges::new_const(),
        devices: Devices::new_const(),
        distances: Distances::EMPTY,
        fallback: Fallback::EMPTY,
        performance: Performance::EMPTY,
        limits: None,
    };

    /// Returns where the nodes come from.
    #[must_use]
    pub const fn source(&self) -> Source {
        self.source
    }

    /// Returns the number of nodes, which is at least 1 in a built topology.
    #[must_use]
    pub const fn node_count(&self) -> usize {
        self.nodes.len()
    }

    /// Returns the nodes, ordered by id.
    #[must_use]
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Returns the node with this id.
    #[must_use]
    pub fn node(&self, id: NodeId) -> Option<&Node> {
        self.nodes.get(id.index())
    }

    /// Returns the CPUs, ordered by id, which is the order of the MADT's enabled entries.
    #[must_use]
    pub fn cpus(&self) -> &[Cpu] {
        self.cpus.as_slice()
    }

    /// Returns the node of the CPU with this APIC id.
    #[must_use]
    pub fn node_of_cpu(&self, apic_id: ApicId) -> Option<NodeId> {
        self.cpus.find(apic_id).map(|cpu| cpu.node)
    }

    /// Returns the node of a proximity domain. Without nodes from an SRAT, firmware's domains name no node.
    #[must_use]
    pub fn node_of_domain(&self, domain: ProximityDomain) -> Option<NodeId> {
        if self.source == Source::Srat { initiators::node_of(&self.nodes, domain) } else { None }
    }

    /// Returns the node whose memory ranges contain this address.
    #[must_use]
    pub fn node_of_address(&self, address: PhysAddr) -> Option<NodeId> {
        let next = self.ranges.partition_point(|range| range.range.end <= address);
        self.ranges.get(next).filter(|range| range.range.contains(address)).map(|range| range.node)
    }

    /// Returns all memory ranges, in ascending order and without overlaps.
    #[must_use]
    pub fn ranges(&self) -> &[MemoryRange] {
        &self.ranges
    }

    /// Returns the memory ranges of one node, in ascending order.
    pub fn ranges_of(&self, node: NodeId) -> impl Iterator<Item = &MemoryRange> {
        self.ranges.iter().filter(move |range| range.node == node)
    }

    /// Returns the ranges of persistent memory that the SRAT lists, in ascending order of their starts. They may overlap.
    #[must_use]
    pub fn persistent_ranges(&self) -> &[PersistentRange] {
        &self.persistent
    }

    /// Returns the generic initiators and ports that the SRAT names: initiators first, each kind ordered by domain.
    #[must_use]
    pub fn devices(&self) -> &[Device] {
        &self.devices
    }

    /// Returns the distance from one node's CPUs to another node's memory: 10 for the own node, 255 for unreachable.
    #[must_use]
    pub fn distance(&self, from: NodeId, to: NodeId) -> Option<u8> {
        self.distances.get(from.index(), to.index())
    }

    /// Returns true if a SLIT gave any distance between two nodes, or the only node's distance to itself.
    #[must_use]
    pub const fn has_distance_matrix(&self) -> bool {
        self.distances.are_from_slit()
    }

    /// Returns every node that has memory, in the order in which allocations for `node` try them.
    ///
    /// The node itself comes first, then the nearest nodes. Equally distant nodes follow the node's own number and wrap
    /// around. The result is empty if the node does not exist.
    #[must_use]
    pub fn fallback(&self, node: NodeId) -> &[NodeId] {
        self.fallback.of(node.index())
    }

    /// Returns latency and bandwidth from the HMAT, or `None` without an HMAT.
    #[must_use]
    pub fn performance(&self) -> Option<&Performance> {
        Some(&self.performance).filter(|performance| performance.is_known())
    }

    /// Returns the machine's highest numbers from the MSCT, or `None` without an MSCT.
    #[must_use]
    pub const fn limits(&self) -> Option<Limits> {
        self.limits
    }
}
