//! The machine's limits from the MSCT, and where they contradict the nodes or each other.
use acpi_tables::{Finding, Findings, Msct, MsctDomains, MsctFault, Signature};
use units::{MAX_NODES, PhysAddr};

use crate::{Limits, MemoryRange, Node};

/// The offset of the highest number of domains.
const DOMAINS_OFFSET: u32 = 40;
/// The offset of the highest address.
const ADDRESS_OFFSET: u32 = 48;

/// Reads the machine's limits. Reads those of single domains only to report faults.
///
/// Compares them with the nodes and the memory ranges that come from the SRAT, or with nothing if those come from
/// elsewhere.
pub fn read(msct: &Msct<'_>, nodes: &[Node], ranges: &[MemoryRange], findings: &mut dyn Findings) -> Limits {
    msct.domains(findings).for_each(drop);
    check_domains(msct, nodes, ranges, findings);
    let limits = Limits {
        domains: msct.max_domains(),
        clock_domains: msct.max_clock_domains(),
        address: PhysAddr(msct.max_address()),
    };
    if nodes.len() as u64 > limits.domains {
        let fault = MsctFault::Nodes { nodes: nodes.len(), limit: limits.domains };
        report(DOMAINS_OFFSET, fault, findings);
    }
    let last = ranges.iter().rfind(|range| !range.hot_pluggable);
    if let Some(last) = last.map(|range| range.range.end.0 - 1).filter(|&last| last > limits.address.0) {
        report(ADDRESS_OFFSET, MsctFault::Address { last, limit: limits.address.0 }, findings);
    }
    limits
}

/// Compares the limits of single domains with the nodes. The first range that contains a domain counts.
fn check_domains(msct: &Msct<'_>, nodes: &[Node], ranges: &[MemoryRange], findings: &mut dyn Findings) {
    let mut is_listed = [false; MAX_NODES];
    let mut count = 0_u64;
    // The faults of the entries have been reported.
    for limits in msct.domains(&mut |_: Finding| {}) {
        count = count.saturating_add(u64::from(limits.last.0 - limits.first.0) + 1);
        let from = nodes.partition_point(|node| node.domain < limits.first);
        for node in nodes[from..].iter().take_while(|node| node.domain <= limits.last) {
            let is_listed = &mut is_listed[node.id.index()];
            if *is_listed {
                report(limits.offset, MsctFault::Twice { domain: node.domain }, findings);
            } else {
                check_node(node, ranges, &limits, findings);
            }
            *is_listed = true;
        }
    }
    if count > msct.max_domains() {
        let fault = MsctFault::Domains { count, limit: msct.max_domains() };
        report(DOMAINS_OFFSET, fault, findings);
    }
    for node in nodes.iter().filter(|node| count > 0 && !is_listed[node.id.index()]) {
        report(0, MsctFault::Unlisted { domain: node.domain }, findings);
    }
}

fn check_node(node: &Node, ranges: &[MemoryRange], limits: &MsctDomains, findings: &mut dyn Findings) {
    let (domain, cpus) = (node.domain, node.cpu_count);
    if cpus > limits.max_cpus {
        report(limits.offset, MsctFault::Cpus { domain, cpus, limit: limits.max_cpus }, findings);
    }
    let own = ranges.iter().filter(|range| range.node == node.id && !range.hot_pluggable);
    let bytes = own.map(|range| range.range.len_bytes()).sum();
    if bytes > limits.max_memory {
        report(limits.offset, MsctFault::Memory { domain, bytes, limit: limits.max_memory }, findings);
    }
}

fn report(offset: u32, fault: MsctFault, findings: &mut dyn Findings) {
    findings.report(Finding::new(Signature::MSCT, offset, fault));
}
