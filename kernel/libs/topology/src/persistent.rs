//! The ranges of persistent memory and the node that is nearest to each.
use acpi_tables::Slit;
use arrayvec::ArrayVec;
use units::{NodeId, PhysRange, ProximityDomain};

use crate::Node;
use crate::affinity_ranges::AffinityRange;
use crate::distances::distance_to_domain;
use crate::initiators::node_of;

/// The highest number of persistent ranges in a topology.
pub const MAX_PERSISTENT_RANGES: usize = 64;

/// A range of persistent memory, which the kernel does not use unless the memory map lists it as RAM.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PersistentRange {
    /// The addresses, as whole frames.
    pub range: PhysRange,
    /// The proximity domain, which need not be a node.
    pub domain: ProximityDomain,
    /// The domain's node, or the node with the least distance to the domain.
    pub nearest: NodeId,
}

/// The persistent ranges in ascending order.
pub type PersistentRanges = ArrayVec<PersistentRange, MAX_PERSISTENT_RANGES>;

/// Appends the affinity ranges of persistent memory. [`place`] sets their nodes.
pub fn extend(ranges: &mut PersistentRanges, affinity_ranges: &[AffinityRange]) {
    let range =
        |&AffinityRange { range, domain, .. }: &_| PersistentRange { range, domain, nearest: NodeId::ZERO };
    ranges.extend(affinity_ranges.iter().map(range).take(MAX_PERSISTENT_RANGES));
}

/// Sets each range's nearest node. Of equally distant nodes, the lowest is the nearest.
pub fn place(ranges: &mut PersistentRanges, nodes: &[Node], slit: Option<&Slit<'_>>) {
    for PersistentRange { domain, nearest, .. } in ranges {
        let closest = nodes.iter().min_by_key(|node| distance_to_domain(node.domain, *domain, slit));
        *nearest = node_of(nodes, *domain).or(closest.map(|node| node.id)).unwrap_or_default();
    }
}
