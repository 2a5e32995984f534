//! In which order nodes are asked for memory when one has none left.
use arrayvec::ArrayVec;
use units::{MAX_NODES, NodeId};

use crate::Node;
use crate::distances::Distances;

/// For each node every node that has memory, nearest first, itself before all others. Equal distances start behind the
/// node itself and go round, so that neighbours do not all fall back on the same node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fallback {
    orders: ArrayVec<NodeId, { MAX_NODES * MAX_NODES }>,
    /// How many nodes have memory, which is the length of each order.
    len: usize,
}

impl Fallback {
    pub const EMPTY: Self = Self { orders: ArrayVec::new_const(), len: 0 };

    /// The order of the node with this index; empty where there is no such node.
    pub fn of(&self, index: usize) -> &[NodeId] {
        let start = index * self.len;
        self.orders.get(start..start + self.len).unwrap_or_default()
    }

    /// Orders these nodes anew.
    pub fn read(&mut self, nodes: &[Node], distances: &Distances) {
        self.orders.clear();
        self.len = nodes.iter().filter(|node| node.memory_size > 0).count();
        for (from, _) in nodes.iter().enumerate() {
            let start = self.orders.len();
            self.orders.extend(nodes.iter().filter(|node| node.memory_size > 0).map(|node| node.id));
            self.orders[start..].sort_unstable_by_key(|to| {
                // Nobody is nearer than the node itself, nor has it any way to turn.
                let to = to.index();
                let turn = if to >= from { to - from } else { to + nodes.len() - from };
                (distances.get(from, to), turn)
            });
        }
    }
}
