//! Latency and bandwidth in the topology event.
use topology::{Figure, NumaTopology, Performance, Reach, SideCache};

/// One of the four figures.
type Pick = fn(Reach) -> Figure;

/// What the event says of them.
pub fn event(topology: &NumaTopology, performance: &Performance) -> events::Performance {
    let node_ids = || topology.nodes().iter().map(|node| node.id);
    let row = |index, pick: Pick| -> Vec<Option<i32>> {
        node_ids().filter_map(|to| performance.reach(index, to)).map(pick).map(number).collect()
    };
    let matrix = |pick| (0..performance.initiators().len()).map(|index| row(index, pick)).collect();
    events::Performance {
        initiators: performance.initiators().iter().map(|initiator| initiator.domain.0).collect(),
        read_latency_ps: matrix(|reach| reach.read_latency_ps),
        write_latency_ps: matrix(|reach| reach.write_latency_ps),
        read_bandwidth_mbps: matrix(|reach| reach.read_bandwidth_mbps),
        write_bandwidth_mbps: matrix(|reach| reach.write_bandwidth_mbps),
        attached: node_ids()
            .map(|node| performance.attached_initiator(node).map(|domain| domain.0))
            .collect(),
        side_caches: performance.side_caches().iter().map(cache_event).collect(),
    }
}

/// A figure as the event has it.
fn number(figure: Figure) -> Option<i32> {
    match figure {
        Figure::Unspecified => None,
        Figure::Unreachable => Some(-1),
        // At most 30 bits.
        Figure::Known(value) => Some(value as i32),
    }
}

fn cache_event(cache: &SideCache) -> events::SideCache {
    let &SideCache { node, level, size, levels, associativity, write_policy, line_size } = cache;
    let node = node.index() as u32;
    events::SideCache { node, level, levels, size, line_size, associativity, write_policy }
}
