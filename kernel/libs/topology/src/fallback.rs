//! The order in which allocations try the nodes when a node has no free memory.
use arrayvec::ArrayVec;
use units::{MAX_NODES, NodeId};

use crate::Node;
use crate::distances::Distances;

/// For each node, every node that has memory: itself first, then the nearest.
///
/// Equally distant nodes follow the node's own number and wrap around, so that neighbours do not all fall back to the same
/// node.
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

    /// Replaces the orders by those of these nodes.
    pub fn read(&mut self, nodes: &[Node], distances: &Distances) {
        self.orders.clear();
        self.len = nodes.iter().filter(|node| node.memory_size > 0).count();
        for (from, _) in nodes.iter().enumerate() {
            let start = self.orders.len();
            self.orders.extend(nodes.iter().filter(|node| node.memory_size > 0).map(|node| node.id));
            self.orders[start..].sort_unstable_by_key(|to| {
                // The node itself comes first: no distance is less, and its steps are 0.
                let to = to.index();
                let steps = if to >= from { to - from } else { to + nodes.len() - from };
                (distances.get(from, to), steps)
            });
        }
    }
}
