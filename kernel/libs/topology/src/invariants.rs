//! Properties of every topology, whatever firmware says, for tests and fuzzers of this crate and of others.
use std::vec::Vec;
use units::{FrameNumber, NodeId, PhysAddr, PhysRange};

use crate::{NumaTopology, Performance};

/// Checks the properties of a built topology. `ram` is [`Inputs::ram`](crate::Inputs::ram), from which it was built.
///
/// # Panics
/// Panics if a property does not hold.
pub fn check(topology: &NumaTopology, ram: &[PhysRange]) {
    let ranges = topology.ranges();
    assert!(topology.node_count() >= 1);
    assert!(ranges.iter().all(|range| !range.range.is_empty()));
    assert!(ranges.windows(2).all(|pair| pair[0].range.end <= pair[1].range.start), "sorted and apart");
    assert!(
        topology.nodes().windows(2).all(|pair| pair[0].domain < pair[1].domain),
        "ids ascend with domains"
    );
    for (index, node) in topology.nodes().iter().enumerate() {
        assert_eq!(node.id.index(), index);
        let own = || topology.ranges_of(node.id).map(|range| range.range);
        assert_eq!(node.memory_size, own().map(PhysRange::len_bytes).sum());
        assert_eq!(node.memory_base, own().map(|range| range.start.0).min().unwrap_or(0));
        let on_node = topology.cpus().iter().filter(|cpu| cpu.node == node.id).count();
        assert_eq!(node.cpu_count as usize, on_node);
        assert!(
            node.memory_size > 0 || on_node > 0 || topology.node_count() == 1,
            "no node without anything"
        );
        assert_eq!(topology.distance(node.id, node.id), Some(10));
        check_fallback(topology, node.id);
    }
    for (index, cpu) in topology.cpus().iter().enumerate() {
        assert_eq!((cpu.id.index(), topology.node_of_cpu(cpu.apic_id)), (index, Some(cpu.node)));
    }
    for range in topology.persistent_ranges() {
        assert!(!range.range.is_empty());
        let of_domain = topology.nodes().iter().find(|node| node.domain == range.domain);
        assert!(of_domain.is_none_or(|node| node.id == range.nearest), "a domain's own node is the nearest");
        assert!(topology.node(range.nearest).is_some());
    }
    check_owners(topology, ram);
    if let Some(performance) = topology.performance() {
        check_performance(topology, performance);
    }
}

/// Checks that every byte of RAM is in a range, and that every frame with RAM belongs to one node.
fn check_owners(topology: &NumaTopology, ram: &[PhysRange]) {
    let ranges = topology.ranges();
    for ram in ram {
        let mut address = ram.start;
        while address < ram.end {
            let owner = ranges.partition_point(|range| range.range.end <= address);
            let owner = ranges.get(owner).filter(|range| range.range.contains(address));
            let owner = owner.unwrap_or_else(|| panic!("no range contains {address}"));
            assert_eq!(topology.node_of_address(address), Some(owner.node), "at {address}");
            address = owner.range.end;
        }
    }
    for pair in ranges.windows(2).filter(|pair| pair[0].node != pair[1].node) {
        let last = FrameNumber::containing(PhysAddr(pair[0].range.end.0 - 1));
        let is_shared = FrameNumber::containing(pair[1].range.start) == last;
        let has_ram = || ram.iter().any(|ram| ram.touched_frames().contains(last));
        assert!(!is_shared || !has_ram(), "the frame of {} is two nodes'", pair[1].range.start);
    }
}

fn check_fallback(topology: &NumaTopology, from: NodeId) {
    let order = topology.fallback(from);
    let with_memory = topology.nodes().iter().filter(|node| node.memory_size > 0).map(|node| node.id);
    let mut sorted = order.to_vec();
    sorted.sort_unstable();
    assert!(with_memory.eq(sorted), "every node with memory occurs once");
    let own = topology.node(from).is_some_and(|node| node.memory_size > 0);
    assert_eq!(order.first() == Some(&from), own, "a node comes first in its own order");
    let others: Vec<_> =
        order.iter().filter(|to| **to != from).map(|to| topology.distance(from, *to)).collect();
    assert!(others.is_sorted(), "nearest first");
}

fn check_performance(topology: &NumaTopology, performance: &Performance) {
    let initiators = performance.initiators();
    assert!(initiators.windows(2).all(|pair| pair[0].domain < pair[1].domain), "initiators ascend");
    for node in topology.nodes() {
        let initiates = initiators.iter().any(|initiator| initiator.node == Some(node.id));
        assert!(initiates || node.cpu_count == 0, "a node with CPUs is an initiator");
        let attached = performance.attached_initiator(node.id);
        assert!(attached.is_none_or(|domain| initiators.iter().any(|initiator| initiator.domain == domain)));
        for (index, initiator) in initiators.iter().enumerate() {
            assert!(performance.reach(index, node.id).is_some());
            assert!(initiator.node.is_none_or(|from| performance.between(from, node.id).is_some()));
        }
    }
    let caches = performance.side_caches();
    assert!(caches.windows(2).all(|pair| (pair[0].node, pair[0].level) < (pair[1].node, pair[1].level)));
    assert!(caches.iter().all(|cache| topology.node(cache.node).is_some()));
}
