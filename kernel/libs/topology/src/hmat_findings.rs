//! Findings about an HMAT: counts of similar faults, and checks of domains against the SRAT.
use acpi_tables::{Finding, Findings, HmatFault, Signature};
use units::{NodeId, ProximityDomain};

use crate::Node;
use crate::initiators::{Named, node_of};

/// The number of similar faults, and the first of them.
pub struct Tally<T> {
    count: u32,
    first: Option<T>,
}

impl<T> Tally<T> {
    pub const NONE: Self = Self { count: 0, first: None };

    /// Counts one fault.
    pub fn add(&mut self, thing: T) {
        self.count = self.count.saturating_add(1);
        self.first.get_or_insert(thing);
    }

    /// Returns the result of `fault` for the first fault and the number of faults, or `None` if there are none.
    pub fn fault(self, fault: impl FnOnce(T, u32) -> HmatFault) -> Option<HmatFault> {
        self.first.map(|first| fault(first, self.count))
    }
}

/// Reports initiators that the SRAT does not name, and initiators without a CPU or a generic initiator.
///
/// An empty slot for a CPU counts as a CPU.
pub fn check_initiators(
    domains: &mut dyn Iterator<Item = ProximityDomain>,
    named: &Named,
    offset: u32,
    findings: &mut dyn Findings,
) {
    let (mut unknown, mut idle) = (Tally::NONE, Tally::NONE);
    for domain in domains {
        if !named.contains(domain) {
            unknown.add(domain);
        } else if !named.may_initiate(domain) {
            idle.add(domain);
        }
    }
    let unknown = unknown.fault(|domain, count| HmatFault::InitiatorUnknown { domain, count });
    let idle = idle.fault(|domain, count| HmatFault::InitiatorIdle { domain, count });
    [unknown, idle].into_iter().flatten().for_each(|fault| report(fault, offset, findings));
}

/// Returns the node of this memory's domain. Reports a domain that the SRAT does not name.
pub fn known_node(
    memory: ProximityDomain,
    nodes: &[Node],
    named: &Named,
    offset: u32,
    findings: &mut dyn Findings,
) -> Option<NodeId> {
    let node = node_of(nodes, memory);
    if node.is_none() && !named.contains(memory) {
        report(HmatFault::MemoryUnknown { domain: memory, count: 1 }, offset, findings);
    }
    node
}

/// Reports a fault in the HMAT's structure at `offset`.
pub fn report(fault: HmatFault, offset: u32, findings: &mut dyn Findings) {
    findings.report(Finding::new(Signature::HMAT, offset, fault));
}
