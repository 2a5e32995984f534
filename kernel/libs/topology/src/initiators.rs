//! Who reads and writes memory: nodes with CPUs, and domains of devices that do so by themselves.
use acpi_tables::{Finding, Findings, Signature, SratEntry, What};
use arrayvec::ArrayVec;
use units::{MAX_NODES, NodeId, ProximityDomain};

use crate::Node;
use crate::domains::Domains;

/// A domain that reads and writes memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Initiator {
    /// What firmware calls it.
    pub domain: ProximityDomain,
    /// The node that it is; `None` for a domain with nothing but generic initiators, where no thread can run.
    pub node: Option<NodeId>,
}

/// The domains that an SRAT names, nodes or not.
pub struct Named {
    all: Domains,
    /// Those with a generic initiator.
    devices: Domains,
    /// Those with a CPU or a generic initiator, there or not.
    initiators: Domains,
}

impl Named {
    pub const fn new() -> Self {
        Self { all: Domains::new(), devices: Domains::new(), initiators: Domains::new() }
    }

    /// Takes in an entry, enabled or not: a slot has its domain, too.
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

    /// Whether some entry names the domain, or may.
    pub fn contains(&self, domain: ProximityDomain) -> bool {
        self.all.may_have(domain)
    }

    /// Whether something in the domain reads and writes memory, or may once it is there.
    pub fn may_initiate(&self, domain: ProximityDomain) -> bool {
        self.initiators.may_have(domain)
    }
}

/// The initiators by domain, nodes first where there is no room for all.
pub type Initiators = ArrayVec<Initiator, MAX_NODES>;

/// Lists the initiators anew.
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
            let what = What::DomainsFull { domain, limit: MAX_NODES };
            findings.report(Finding::new(Signature::SRAT, 0, what));
        }
    }
    initiators.sort_unstable_by_key(|initiator| initiator.domain);
}

/// The index of the initiator with this domain, among initiators in order.
pub fn find(initiators: &[Initiator], domain: ProximityDomain) -> Option<usize> {
    initiators.binary_search_by_key(&domain, |initiator| initiator.domain).ok()
}

/// The node that is this domain.
pub fn node_of(nodes: &[Node], domain: ProximityDomain) -> Option<NodeId> {
    nodes.binary_search_by_key(&domain, |node| node.domain).ok().map(|index| nodes[index].id)
}
