//! The topology itself: how it is put together, and what can be asked of it.
use acpi_tables::{Finding, Findings, Msct, Signature, Srat, SratEntry, What};
use arrayvec::ArrayVec;
use units::{ApicId, MAX_NODES, NodeId, PhysAddr, PhysRange, ProximityDomain};

use crate::cpus::{AbsentCpus, Cpus, Home, Homes, Others};
use crate::distances::Distances;
use crate::domains::Domains;
use crate::fake::Cuts;
use crate::fallback::Fallback;
use crate::initiators::Named;
use crate::memory::{Claim, Claims};
use crate::sweep::sweep;
use crate::uncovered::{cover, hull_of};
use crate::{Cpu, Inputs, Limits, MAX_RANGES, MemoryRange, Node, NumaMode, Performance, Source};

/// A machine's nodes, with their CPUs, memory and distances. About 360 KiB, most of it never touched; a kernel keeps it
/// in a static and fills it with [`NumaTopology::rebuild`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NumaTopology {
    source: Source,
    nodes: ArrayVec<Node, MAX_NODES>,
    cpus: Cpus,
    ranges: ArrayVec<MemoryRange, MAX_RANGES>,
    distances: Distances,
    fallback: Fallback,
    performance: Performance,
    limits: Option<Limits>,
}

impl NumaTopology {
    /// No machine: no node, no CPU. What a static starts as.
    pub const EMPTY: Self = Self {
        source: Source::None,
        nodes: ArrayVec::new_const(),
        cpus: Cpus::EMPTY,
        ranges: ArrayVec::new_const(),
        distances: Distances::EMPTY,
        fallback: Fallback::EMPTY,
        performance: Performance::EMPTY,
        limits: None,
    };

    /// The topology of the machine that `inputs` describe; what was not as it should be goes to `findings`.
    #[must_use]
    pub fn build(inputs: &Inputs<'_>, findings: &mut dyn Findings) -> Self {
        let mut topology = Self::EMPTY;
        topology.rebuild(inputs, findings);
        topology
    }

    /// [`NumaTopology::build`] in place. Takes some 60 KiB of stack.
    pub fn rebuild(&mut self, inputs: &Inputs<'_>, findings: &mut dyn Findings) {
        let mut absent = AbsentCpus::new();
        let mut named = Named::new();
        self.cpus.read(inputs, &mut absent, findings);
        self.nodes.clear();
        self.ranges.clear();
        self.source = match (inputs.numa, &inputs.srat) {
            (NumaMode::Off, _) => Source::Off,
            (NumaMode::Fake(_), _) => Source::Fake,
            (NumaMode::FromFirmware, Some(srat))
                if self.read_srat(srat, inputs, &absent, &mut named, findings) =>
            {
                Source::Srat
            }
            (NumaMode::FromFirmware, _) => Source::None,
        };
        match inputs.numa {
            _ if self.source == Source::Srat => {}
            NumaMode::Fake(fake) => self.make_nodes(fake.granted(inputs.ram), inputs.ram, findings),
            _ => self.make_nodes(1, inputs.ram, findings),
        }
        self.count();
        // Domain 0 of a machine whose nodes are by decree is not the SLIT's.
        let slit = inputs.slit.as_ref().filter(|_| self.source == Source::Srat);
        self.distances.read(&self.nodes, slit, findings);
        self.fallback.read(&self.nodes, &self.distances);
        let hmat = inputs.hmat.as_ref().filter(|_| self.source == Source::Srat);
        self.performance.read(&self.nodes, &named, hmat, findings);
        self.limits = inputs.msct.as_ref().map(|msct| read_limits(msct, findings));
    }

    /// Nodes as the SRAT has them; false, and nothing changed, where no entry of it is of use.
    fn read_srat(
        &mut self,
        srat: &Srat<'_>,
        inputs: &Inputs<'_>,
        absent: &AbsentCpus,
        named: &mut Named,
        findings: &mut dyn Findings,
    ) -> bool {
        let others = Others { absent, all_known: inputs.madt.is_some() };
        let mut homes = Homes::new();
        homes.clear_for(&self.cpus);
        let mut claims = Claims::new(inputs.ram);
        let mut reader = srat.reader();
        while let Some(entry) = reader.next(findings) {
            named.take(&entry);
            match entry {
                SratEntry::Cpu(cpu) if cpu.enabled => homes.take(cpu, &self.cpus, others, findings),
                SratEntry::Memory(memory) if memory.enabled => claims.take(memory, findings),
                _ => {}
            }
        }
        let claims = claims.in_order();
        let domains = choose_domains(&mut homes, claims, findings);
        sweep(claims, &domains, inputs.ram, &mut self.ranges, findings);
        self.number_nodes(&domains, &homes);
        if self.nodes.is_empty() {
            findings.report(Finding::new(Signature::SRAT, 0, What::SratEmpty));
            return false;
        }
        self.cpus.place_homeless(&homes, findings);
        cover(&mut self.ranges, inputs.ram, findings);
        true
    }

    /// Makes a node of each domain that has a CPU or memory, in ascending order, and renames the owners accordingly:
    /// until here a range's node is its domain's index.
    fn number_nodes(&mut self, domains: &Domains, homes: &Homes) {
        let mut numbers = [None; MAX_NODES];
        let home_of = |cpu: &Cpu| homes.of(cpu.id.index()).and_then(|home| domains.index(home.domain));
        let of_cpus = self.cpus.as_slice().iter().filter_map(home_of);
        for domain in self.ranges.iter().map(|range| range.node).chain(of_cpus) {
            numbers[domain.index()] = Some(NodeId::ZERO);
        }
        for (number, domain) in numbers.iter_mut().zip(domains.iter()) {
            if let Some(number) = number
                && let Some(id) = NodeId::new(self.nodes.len())
            {
                *number = id;
                self.nodes.push(node(id, domain));
            }
        }
        let rename = |old: NodeId| numbers[old.index()].unwrap_or_default();
        self.ranges.iter_mut().for_each(|range| range.node = rename(range.node));
        for cpu in self.cpus.iter_mut() {
            cpu.node = home_of(cpu).map_or(NodeId::ZERO, rename);
        }
    }

    /// So many nodes with all the RAM there is, and all CPUs; one, but where nodes are made up.
    fn make_nodes(&mut self, count: usize, ram: &[PhysRange], findings: &mut dyn Findings) {
        let ids = (0..count).filter_map(NodeId::new);
        self.nodes.extend(ids.map(|id| node(id, ProximityDomain(id.index() as u32))));
        let cuts = Cuts::new(ram, count);
        for (index, range) in ram.iter().flat_map(|&range| cuts.parts(range)) {
            let range = MemoryRange { range, node: self.nodes[index].id, hot_pluggable: false };
            if self.ranges.try_push(range).is_ok() {
                continue;
            }
            let last = &mut self.ranges[MAX_RANGES - 1].range;
            *last = hull_of(*last, range.range);
        }
        if ram.len() > MAX_RANGES {
            let what = What::RamRangesFull { limit: MAX_RANGES };
            findings.report(Finding::new(Signature::MEMORY_MAP, 0, what));
        }
        self.cpus.deal_out(&self.nodes);
    }

    /// Adds up each node's CPUs and memory.
    fn count(&mut self) {
        for cpu in self.cpus.as_slice() {
            self.nodes[cpu.node.index()].cpu_count += 1;
        }
        for MemoryRange { range, node, .. } in &self.ranges {
            let node = &mut self.nodes[node.index()];
            // Ranges ascend, so a node's first is its lowest.
            if node.memory_size == 0 {
                node.memory_base = range.start.0;
            }
            node.memory_size += range.len_bytes();
        }
    }

    /// Where the nodes come from.
    #[must_use]
    pub const fn source(&self) -> Source {
        self.source
    }

    /// How many nodes there are; at least 1 once built.
    #[must_use]
    pub const fn node_count(&self) -> usize {
        self.nodes.len()
    }

    /// The nodes by id.
    #[must_use]
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The node with this id.
    #[must_use]
    pub fn node(&self, id: NodeId) -> Option<&Node> {
        self.nodes.get(id.index())
    }

    /// The CPUs by id, which is the order of the MADT's enabled entries.
    #[must_use]
    pub fn cpus(&self) -> &[Cpu] {
        self.cpus.as_slice()
    }

    /// The node of the CPU with this APIC id.
    #[must_use]
    pub fn node_of_cpu(&self, apic_id: ApicId) -> Option<NodeId> {
        self.cpus.find(apic_id).map(|cpu| cpu.node)
    }

    /// The node whose ranges hold this address.
    #[must_use]
    pub fn node_of_address(&self, address: PhysAddr) -> Option<NodeId> {
        let next = self.ranges.partition_point(|range| range.range.end <= address);
        self.ranges.get(next).filter(|range| range.range.contains(address)).map(|range| range.node)
    }

    /// All memory ranges, ascending and apart.
    #[must_use]
    pub fn ranges(&self) -> &[MemoryRange] {
        &self.ranges
    }

    /// The memory ranges of one node, ascending.
    pub fn ranges_of(&self, node: NodeId) -> impl Iterator<Item = &MemoryRange> {
        self.ranges.iter().filter(move |range| range.node == node)
    }

    /// How far one node's CPUs have it to another node's memory: 10 at home, 255 where there is no way.
    #[must_use]
    pub fn distance(&self, from: NodeId, to: NodeId) -> Option<u8> {
        self.distances.get(from.index(), to.index())
    }

    /// Whether any distance between two nodes came from a SLIT; on a machine of one node, the one from itself.
    #[must_use]
    pub const fn has_distance_matrix(&self) -> bool {
        self.distances.are_from_slit()
    }

    /// Every node that has memory, in the order in which this node asks them for some: nearest first, itself before all
    /// others, equal distances starting behind the node itself. Empty where there is no such node.
    #[must_use]
    pub fn fallback(&self, node: NodeId) -> &[NodeId] {
        self.fallback.of(node.index())
    }

    /// Latency and bandwidth, as the HMAT has them; `None` without one.
    #[must_use]
    pub fn performance(&self) -> Option<&Performance> {
        Some(&self.performance).filter(|performance| performance.is_known())
    }

    /// What the machine can ever have, as the MSCT says; `None` without one.
    #[must_use]
    pub const fn limits(&self) -> Option<Limits> {
        self.limits
    }
}

/// The machine's limits. Those of single domains are read for what is wrong with them, and not kept.
fn read_limits(msct: &Msct<'_>, findings: &mut dyn Findings) -> Limits {
    msct.domains(findings).for_each(drop);
    Limits {
        domains: msct.max_domains(),
        clock_domains: msct.max_clock_domains(),
        address: PhysAddr(msct.max_address()),
    }
}

const fn node(id: NodeId, domain: ProximityDomain) -> Node {
    Node { id, domain, cpu_count: 0, memory_base: 0, memory_size: 0 }
}

/// The lowest domains that CPUs and claims speak of; what speaks of another is dropped.
fn choose_domains(
    homes: &mut Homes,
    claims: &mut ArrayVec<Claim, MAX_RANGES>,
    findings: &mut dyn Findings,
) -> Domains {
    let mut domains = Domains::new();
    claims.iter().for_each(|claim| domains.insert(claim.domain));
    homes.iter_mut().flatten().for_each(|home| domains.insert(home.domain));
    let mut is_chosen = |domain, offset| {
        let chosen = domains.index(domain).is_some();
        if !chosen {
            let what = What::DomainsFull { domain, limit: MAX_NODES };
            findings.report(Finding::new(Signature::SRAT, offset, what));
        }
        chosen
    };
    claims.retain(|claim| is_chosen(claim.domain, claim.offset));
    for home in homes.iter_mut() {
        *home = home.filter(|&Home { domain, offset }| is_chosen(domain, offset));
    }
    domains
}
