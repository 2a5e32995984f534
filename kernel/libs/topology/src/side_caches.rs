//! The caches in front of nodes' memory.
use acpi_tables::{Findings, HmatFault};
use arrayvec::ArrayVec;
use units::NodeId;

use crate::Node;
use crate::hmat_findings::report;

/// The highest number of side caches in a topology.
pub const MAX_SIDE_CACHES: usize = 256;

/// A cache in front of a node's memory.
// The order of the fields gives the order of caches: by node and level, then by the other values.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct SideCache {
    /// The node of the memory.
    pub node: NodeId,
    /// The level of this cache, counted from 1.
    pub level: u8,
    /// Bytes in the cache.
    pub size: u64,
    /// The number of cache levels that the memory has.
    pub levels: u8,
    /// 0 for none, 1 for direct mapped, 2 for complex indexing (ACPI 6.5 §5.2.28.5).
    pub associativity: u8,
    /// 0 for none, 1 for write-back, 2 for write-through (ACPI 6.5 §5.2.28.5).
    pub write_policy: u8,
    /// Bytes in a cache line.
    pub line_size: u16,
}

/// The caches, ordered by node and level.
pub type SideCaches = ArrayVec<SideCache, MAX_SIDE_CACHES>;

/// Adds a cache of one of these nodes. `offset` is the offset of its structure in the HMAT.
pub fn take(
    caches: &mut SideCaches,
    new: SideCache,
    nodes: &[Node],
    offset: u32,
    findings: &mut dyn Findings,
) {
    let SideCache { node, level, levels, .. } = new;
    let domain_of = |node: NodeId| nodes[node.index()].domain;
    let domain = domain_of(node);
    if level == 0 || level > levels {
        return report(HmatFault::CacheLevel { domain, level, levels }, offset, findings);
    }
    if new.size == 0 {
        return report(HmatFault::CacheEmpty { domain, level }, offset, findings);
    }
    let place = caches.partition_point(|cache| (cache.node, cache.level) < (new.node, new.level));
    match caches.get_mut(place) {
        Some(old) if (old.node, old.level) == (new.node, new.level) => {
            if *old != new {
                *old = new.min(*old);
                report(HmatFault::CacheTwice { domain, level }, offset, findings);
            }
        }
        _ => {
            if caches.is_full() {
                // The lowest stay, so that the result does not depend on the order of the structures.
                let left_out = if place == caches.len() { Some(new) } else { caches.pop() };
                let domain = left_out.map_or(domain, |cache| domain_of(cache.node));
                report(HmatFault::CachesFull { domain, limit: MAX_SIDE_CACHES }, offset, findings);
                if left_out == Some(new) {
                    return;
                }
            }
            caches.insert(place, new);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use acpi_tables::{Fault, Finding};
    use std::vec::Vec;
    use units::ProximityDomain;

    #[test]
    fn with_no_room_for_all_the_finding_names_the_one_that_is_left_out() {
        let id = |index| NodeId::new(index).expect("a node");
        let node = |index: usize| Node {
            id: id(index),
            domain: ProximityDomain(100 + index as u32),
            cpu_count: 0,
            memory_base: 0,
            memory_size: 0,
        };
        let cache = |index: usize, level| SideCache {
            node: id(index),
            level,
            size: 1,
            levels: 15,
            associativity: 0,
            write_policy: 0,
            line_size: 64,
        };
        let nodes: Vec<Node> = (0..20).map(node).collect();
        let mut caches = SideCaches::new();
        let mut left_out = Vec::new();
        let mut findings = |finding: Finding| match finding.fault {
            Fault::Hmat(HmatFault::CachesFull { domain, .. }) => left_out.push(domain.0),
            fault => panic!("{fault}"),
        };
        // 17 nodes with 15 caches each and one cache of the 18th node make 256.
        let all = (1..20).flat_map(|index| (1..=15).map(move |level| (index, level)));
        for (index, level) in all.take(MAX_SIDE_CACHES) {
            take(&mut caches, cache(index, level), &nodes, 0, &mut findings);
        }
        take(&mut caches, cache(0, 1), &nodes, 0, &mut findings);
        take(&mut caches, cache(19, 1), &nodes, 0, &mut findings);
        assert_eq!(left_out, [118, 119]);
    }
}
