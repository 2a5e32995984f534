//! Builds a topology from firmware's tables and the memory map.
use acpi_tables::{
    Finding, Findings, HmatFault, LimitFault, Signature, SlitFault, Srat, SratCpu, SratEntry, SratFault,
};
use arrayvec::ArrayVec;
use units::{MAX_NODES, NodeId, PhysRange, ProximityDomain};

use crate::affinity_ranges::{AffinityRange, AffinityRanges};
use crate::apic_offset::ApicOffset;
use crate::cpus::{AbsentCpus, CpuDomain, CpuDomains, OtherCpus};
use crate::devices::NamedDevices;
use crate::domains::Domains;
use crate::fake::Cuts;
use crate::initiators::Named;
use crate::limits;
use crate::persistent;
use crate::sweep::sweep;
use crate::uncovered::{cover, hull_of};
use crate::{Cpu, Inputs, MAX_RANGES, MemoryRange, Node, NumaMode, NumaTopology, Source};

impl NumaTopology {
    /// Builds the topology of the machine that `inputs` describes, and reports faults in the tables to `findings`.
    #[must_use]
    pub fn build(inputs: &Inputs<'_>, findings: &mut dyn Findings) -> Self {
        let mut topology = Self::EMPTY;
        topology.rebuild(inputs, findings);
        topology
    }

    /// Builds a topology as [`NumaTopology::build`] does, in place of the old value. Uses about 80 KiB of stack.
    pub fn rebuild(&mut self, inputs: &Inputs<'_>, findings: &mut dyn Findings) {
        let mut absent = AbsentCpus::new();
        let mut named = Named::new();
        self.cpus.read(inputs, &mut absent, findings);
        self.nodes.clear();
        self.ranges.clear();
        self.persistent.clear();
        self.devices.clear();
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
        // SLIT and HMAT use the SRAT's domains. Nodes from elsewhere have other domains.
        let slit = inputs.slit.as_ref().filter(|_| self.source == Source::Srat);
        self.distances.read(&self.nodes, slit, findings);
        persistent::place(&mut self.persistent, &self.nodes, slit);
        let hmat = inputs.hmat.as_ref().filter(|_| self.source == Source::Srat);
        self.performance.read(&self.nodes, &named, &self.devices, hmat, findings);
        self.fallback.read(&self.nodes, &self.distances, &self.performance);
        let nodes = if self.source == Source::Srat { &self.nodes[..] } else { &[] };
        let ranges = if self.source == Source::Srat { &self.ranges[..] } else { &[] };
        self.limits = inputs.msct.as_ref().map(|msct| limits::read(msct, nodes, ranges, findings));
        if self.source == Source::None {
            report_unused(inputs, findings);
        }
    }

    /// Creates the nodes that the SRAT describes. Returns false and changes nothing if the SRAT has no usable entry.
    fn read_srat(
        &mut self,
        srat: &Srat<'_>,
        inputs: &Inputs<'_>,
        absent: &AbsentCpus,
        named: &mut Named,
        findings: &mut dyn Findings,
    ) -> bool {
        let others = OtherCpus { absent, all_known: inputs.madt.is_some() };
        let mut cpu_domains = CpuDomains::new();
        cpu_domains.clear_for(&self.cpus);
        let mut ranges = AffinityRanges::new(inputs.ram, inputs.known);
        let apic_offset = match inputs.madt {
            Some(_) => ApicOffset::find(srat, &self.cpus, absent, findings),
            None => ApicOffset::default(),
        };
        let mut devices = NamedDevices::new();
        let mut reader = srat.reader();
        while let Some(entry) = reader.next(findings) {
            named.take(&entry);
            devices.take(&entry, findings);
            match entry {
                SratEntry::Cpu(cpu) if cpu.enabled => {
                    let cpu = SratCpu { apic_id: apic_offset.apply(cpu.apic_id), ..cpu };
                    cpu_domains.take(cpu, &self.cpus, others, findings);
                }
                SratEntry::Memory(memory) if memory.enabled => ranges.take(memory, findings),
                _ => {}
            }
        }
        self.devices.extend(devices.items().iter().copied());
        persistent::extend(&mut self.persistent, ranges.persistent());
        let ranges = ranges.in_order();
        let domains = choose_domains(&mut cpu_domains, ranges, findings);
        sweep(ranges, &domains, inputs.ram, &mut self.ranges, findings);
        self.number_nodes(&domains, &cpu_domains);
        if self.nodes.is_empty() {
            self.persistent.clear();
            self.devices.clear();
            findings.report(Finding::new(Signature::SRAT, 0, SratFault::Empty));
            return false;
        }
        self.cpus.place_unlisted(&cpu_domains, findings);
        cover(&mut self.ranges, inputs.ram, findings);
        true
    }

    /// Creates a node for each domain that has a CPU or memory, in ascending order of domains.
    ///
    /// Also sets the node of each range and CPU. Before this call, a range's node is the index of its domain.
    fn number_nodes(&mut self, domains: &Domains, cpu_domains: &CpuDomains) {
        let mut numbers = [None; MAX_NODES];
        let domain_of =
            |cpu: &Cpu| cpu_domains.of(cpu.id.index()).and_then(|found| domains.index(found.domain));
        let of_cpus = self.cpus.as_slice().iter().filter_map(domain_of);
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
            cpu.node = domain_of(cpu).map_or(NodeId::ZERO, rename);
        }
    }

    /// Creates `count` nodes that share all RAM and all CPUs: one node, or the requested number of fake nodes.
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
            let fault = LimitFault::RamRanges { limit: MAX_RANGES };
            findings.report(Finding::new(Signature::MEMORY_MAP, 0, fault));
        }
        self.cpus.distribute(&self.nodes);
    }

    /// Computes each node's number of CPUs and its memory.
    fn count(&mut self) {
        for cpu in self.cpus.as_slice() {
            self.nodes[cpu.node.index()].cpu_count += 1;
        }
        for MemoryRange { range, node, .. } in &self.ranges {
            let node = &mut self.nodes[node.index()];
            // Ranges ascend, so a node's first range is its lowest.
            if node.memory_size == 0 {
                node.memory_base = range.start.0;
            }
            node.memory_size += range.len_bytes();
        }
    }
}

/// Reports tables that say nothing without an SRAT.
fn report_unused(inputs: &Inputs<'_>, findings: &mut dyn Findings) {
    if inputs.slit.is_some() {
        findings.report(Finding::new(Signature::SLIT, 0, SlitFault::WithoutSrat));
    }
    if inputs.hmat.is_some() {
        findings.report(Finding::new(Signature::HMAT, 0, HmatFault::WithoutSrat));
    }
}

const fn node(id: NodeId, domain: ProximityDomain) -> Node {
    Node { id, domain, cpu_count: 0, memory_base: 0, memory_size: 0 }
}

/// Returns the lowest domains of CPUs and memory ranges, and drops the CPUs and ranges of all other domains.
fn choose_domains(
    cpu_domains: &mut CpuDomains,
    ranges: &mut ArrayVec<AffinityRange, MAX_RANGES>,
    findings: &mut dyn Findings,
) -> Domains {
    let mut domains = Domains::new();
    ranges.iter().for_each(|range| domains.insert(range.domain));
    cpu_domains.iter_mut().flatten().for_each(|cpu| domains.insert(cpu.domain));
    let mut is_chosen = |domain, offset| {
        let chosen = domains.index(domain).is_some();
        if !chosen {
            let fault = LimitFault::Domains { domain, limit: MAX_NODES };
            findings.report(Finding::new(Signature::SRAT, offset, fault));
        }
        chosen
    };
    ranges.retain(|range| is_chosen(range.domain, range.offset));
    for cpu in cpu_domains.iter_mut() {
        *cpu = cpu.filter(|&CpuDomain { domain, offset }| is_chosen(domain, offset));
    }
    domains
}
