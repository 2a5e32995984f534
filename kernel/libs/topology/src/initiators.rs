//! The initiators of memory accesses: nodes with CPUs, and domains with devices that access memory by themselves.
use acpi_tables::{Finding, Findings, LimitFault, Signature, SratEntry};
use arrayvec::ArrayVec;
use units::{MAX_NODES, NodeId, ProximityDomain};

use crate::Node;
use crate::domains::Domains;

/// A domain with CPUs or devices that access memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Initiator {
    /// The proximity domain.
    pub domain: ProximityDomain,
    /// The domain's node, or `None` for a domain with only generic initiators, on which no thread can run.
    pub node: Option<NodeId>,
}

/// The domains that an SRAT names, whether they are nodes or not.
pub struct Named {
    all: Domains,
    /// The domains with an enabled generic initiator.
    devices: Domains,
    /// The domains with a CPU or a generic initiator, enabled or not.
    initiators: Domains,
}

impl Named {
    pub const fn new() -> Self {
        Self { all: Domains::new(), devices: Domains::new(), initiators: Domains::new() }
    }

    /// Adds the domain of an entry, enabled or not: an empty slot also has a domain.
    pub fn take(&mut self, entry: &SratEntry) {
        match entry {
            SratEntry::Cpu(cpu) => {
                self.all.insert(cpu.domain);
                self.initiators.insert(cpu.domain);
            }
            SratEntry::Memory(memory) => self.all.insert(memory.domain),
            SratEntry::GenericPort(device) => self.all.insert(device.domain),
            SratEntry::GenericInitiator(device) => {
                self.all.insert(device.domain);
                self.initiators.insert(device.domain);
                if device.enabled {
                    self.devices.insert(device.domain);
                }
            }
            SratEntry::Other { .. } => {}
        }
    }

    /// Returns true if an entry names the domain. May also return true if there was no room for all domains.
    pub fn contains(&self, domain: ProximityDomain) -> bool {
        self.all.may_have(domain)
    }

    /// Returns true if the domain has a CPU or a generic initiator, enabled or not. May also return true if there was no
    /// room for all domains.
    pub fn may_initiate(&self, domain: ProximityDomain) -> bool {
        self.initiators.may_have(domain)
    }
}

/// The initiators, ordered by domain. Of too many, all nodes with CPUs and then the lowest domains stay.
pub type Initiators = ArrayVec<Initiator, MAX_NODES>;

/// Replaces the list by the initiators of these nodes and domains.
pub fn read(initiators: &mut Initiators, nodes: &[Node], named: &Named, findings: &mut dyn Findings) {
    initiators.clear();
    let with_cpus = nodes.iter().filter(|node| node.cpu_count > 0);
    initiators.extend(with_cpus.map(|node| Initiator { domain: node.domain, node: Some(node.id) }));
    let with_cpus = initiators.len();
    for domain in named.devices.iter() {
        if find(&initiators[..with_cpus], domain).is_some() {
            continue;
        }
        let node = node_of(nodes, domain);
        if initiators.try_push(Initiator { domain, node }).is_err() {
            let fault = LimitFault::Domains { domain, limit: MAX_NODES };
            findings.report(Finding::new(Signature::SRAT, 0, fault));
        }
    }
    initiators.sort_unstable_by_key(|initiator| initiator.domain);
}

/// Returns the index of the initiator with this domain. The initiators must be ordered by domain.
pub fn find(initiators: &[Initiator], domain: ProximityDomain) -> Option<usize> {
    initiators.binary_search_by_key(&domain, |initiator| initiator.domain).ok()
}

/// Returns the node with this domain.
pub fn node_of(nodes: &[Node], domain: ProximityDomain) -> Option<NodeId> {
    nodes.binary_search_by_key(&domain, |node| node.domain).ok().map(|index| nodes[index].id)
}
