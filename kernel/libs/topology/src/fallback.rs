//! The order in which allocations try the nodes when a node has no free memory.
use arrayvec::ArrayVec;
use units::{MAX_NODES, NodeId};

use crate::distances::Distances;
use crate::{Figure, Node, Performance};

/// For each node, every node that has memory: itself first, then the nearest.
///
/// Equally distant nodes of the same or of unknown latency follow the node's own number and wrap around, so that neighbours do
/// not all fall back to the same node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fallback {
    orders: ArrayVec<NodeId, { MAX_NODES * MAX_NODES }>,
    /// The number of nodes with memory, which is the length of each order.
    len: usize,
}

impl Fallback {
    pub const EMPTY: Self = Self { orders: ArrayVec::new_const(), len: 0 };

    /// Returns the order of the node with this index. The order is empty if there is no such node.
    pub fn of(&self, index: usize) -> &[NodeId] {
        let start = index * self.len;
        self.orders.get(start..start + self.len).unwrap_or_default()
    }

    /// Replaces the orders by those of these nodes. Of equally distant nodes, that with the lower latency is nearer.
    pub fn read(&mut self, nodes: &[Node], distances: &Distances, performance: &Performance) {
        self.orders.clear();
        self.len = nodes.iter().filter(|node| node.memory_size > 0).count();
        for (from, node) in nodes.iter().enumerate() {
            let initiators = performance.initiators().iter();
            let initiator = initiators.map(|initiator| initiator.node).position(|of| of == Some(node.id));
            let start = self.orders.len();
            self.orders.extend(nodes.iter().filter(|node| node.memory_size > 0).map(|node| node.id));
            self.orders[start..].sort_unstable_by_key(|to| {
                let latency = initiator.map(|initiator| latency(performance, initiator, *to));
                let to = to.index();
                let steps = if to >= from { to - from } else { to + nodes.len() - from };
                (to != from, distances.get(from, to), latency, steps)
            });
        }
    }
}

/// Returns the latency of reads, or else of writes, in picoseconds. An unknown one is above all others, and an unreachable one
/// above that.
fn latency(performance: &Performance, initiator: usize, to: NodeId) -> u64 {
    let figures = performance.reach(initiator, to);
    let figures = figures.map(|reach| [reach.read_latency_ps, reach.write_latency_ps]).into_iter().flatten();
    match figures.into_iter().find(|&figure| figure != Figure::Unspecified) {
        Some(Figure::Known(latency)) => latency.into(),
        Some(Figure::Unreachable) => u64::MAX,
        Some(Figure::Unspecified) | None => u64::MAX - 1,
    }
}
