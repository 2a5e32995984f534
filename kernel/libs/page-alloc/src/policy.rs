//! Policies: which nodes serve a thread's requests, or a single request.
use core::sync::atomic::AtomicU8;
use core::sync::atomic::Ordering::Relaxed;

use units::{MAX_NODES, NodeId, NodeSet};

use crate::request::Request;

/// Where memory comes from. In Linux's terms: local, preferred, bind to one node, bind, interleave, weighted interleave.
#[derive(Clone, Copy, Debug)]
pub enum Policy<'w> {
    /// The node of the CPU that asks, or else the nearest to it.
    Local,
    /// This node, or else the nearest to it.
    Preferred(NodeId),
    /// This node or nothing.
    Strict(NodeId),
    /// The nearest of these nodes to the CPU that has the frames, or nothing.
    Set(NodeSet),
    /// These nodes in turn, ascending. If the next node has no such frames, the nearest node to it serves the request, whether it
    /// is in the set or not.
    Interleave(NodeSet),
    /// These nodes in turn, as with `Interleave`, but each node as often in a row as its weight says.
    Weighted(NodeSet, &'w NodeWeights),
}

impl Policy<'_> {
    /// Makes `request`, which is for any node, follow this policy. Moves `cursor` on if nodes take turns; the caller may restore it
    /// if the request is refused.
    ///
    /// An empty set, or one whose weights are all 0, makes the request one that is refused.
    #[inline]
    pub fn apply(&self, request: &mut Request, cursor: &mut Cursor) {
        let next = match *self {
            Self::Local => return,
            Self::Preferred(node) => return request.preferred = Some(node),
            Self::Strict(node) => {
                request.strict = true;
                return request.preferred = Some(node);
            }
            Self::Set(nodes) => return request.nodes = nodes,
            Self::Interleave(nodes) => cursor.next(nodes),
            Self::Weighted(nodes, weights) => cursor.next_weighted(nodes, weights),
        };
        match next {
            Some(_) => request.interleaved = true,
            None => request.nodes = NodeSet::EMPTY,
        }
        request.preferred = next;
    }
}

/// A weight for each node. Weights can be read while they are being set.
#[derive(Debug)]
pub struct NodeWeights([AtomicU8; MAX_NODES]);

impl NodeWeights {
    /// Returns weights that are all 0.
    pub const fn new() -> Self {
        Self([const { AtomicU8::new(0) }; MAX_NODES])
    }

    /// Returns the node's weight.
    #[inline]
    pub fn of(&self, node: NodeId) -> u8 {
        self.0[node.index()].load(Relaxed)
    }

    /// Sets the node's weight.
    pub fn set(&self, node: NodeId, weight: u8) {
        self.0[node.index()].store(weight, Relaxed);
    }

    /// Sets all weights to those of `other`.
    pub fn copy_from(&self, other: &Self) {
        for (to, from) in self.0.iter().zip(&other.0) {
            to.store(from.load(Relaxed), Relaxed);
        }
    }

    /// Returns the nodes whose weight is not 0.
    pub fn nodes(&self) -> NodeSet {
        let weighted = self.0.iter().enumerate().filter(|(_, weight)| weight.load(Relaxed) != 0);
        weighted.filter_map(|(index, _)| NodeId::new(index)).collect()
    }
}

impl Default for NodeWeights {
    fn default() -> Self {
        Self::new()
    }
}

impl FromIterator<u8> for NodeWeights {
    /// Returns the weights of nodes 0, 1, 2, … in order. Missing ones are 0, and those beyond the last node are ignored.
    fn from_iter<I: IntoIterator<Item = u8>>(weights: I) -> Self {
        let new = Self::new();
        new.0.iter().zip(weights).for_each(|(to, weight)| to.store(weight, Relaxed));
        new
    }
}

/// The state of a thread's interleaving: the node that had the last turn, and how many more turns it has.
///
/// One cursor serves a thread for all sets that it interleaves over. The next node is always the next higher one of the set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cursor {
    last: NodeId,
    left: u8,
}

impl Cursor {
    /// The cursor before the first turn: the lowest node of a set comes next.
    pub const START: Self = Self { last: highest(), left: 0 };

    /// Packs the cursor into 16 bits.
    #[inline]
    pub const fn pack(self) -> u16 {
        (self.last.index() as u16) << 8 | self.left as u16
    }

    /// Unpacks a cursor. Returns [`Cursor::START`] for a value that `pack` never returns.
    #[inline]
    pub const fn unpack(packed: u16) -> Self {
        match NodeId::new((packed >> 8) as usize) {
            Some(last) => Self { last, left: packed as u8 },
            None => Self::START,
        }
    }

    /// Moves to the next of these nodes and returns it, or `None` if the set is empty.
    #[inline]
    fn next(&mut self, nodes: NodeSet) -> Option<NodeId> {
        let next = nodes.next_after(self.last)?;
        *self = Self { last: next, left: 0 };
        Some(next)
    }

    /// Returns the same node again while it has turns left. Otherwise moves to the next node that has a weight.
    fn next_weighted(&mut self, nodes: NodeSet, weights: &NodeWeights) -> Option<NodeId> {
        // The turns left may be those of other weights.
        if self.left > 0 && nodes.contains(self.last) && self.left < weights.of(self.last) {
            self.left -= 1;
            return Some(self.last);
        }
        let mut unseen = nodes;
        let mut last = self.last;
        loop {
            last = unseen.next_after(last)?;
            if let Some(left) = weights.of(last).checked_sub(1) {
                *self = Self { last, left };
                return Some(last);
            }
            unseen.remove(last);
        }
    }
}

/// Returns the highest node, behind which the lowest node of any set comes next.
const fn highest() -> NodeId {
    match NodeId::new(MAX_NODES - 1) {
        Some(node) => node,
        None => NodeId::ZERO,
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;

    fn set(indices: &[usize]) -> NodeSet {
        indices.iter().filter_map(|&index| NodeId::new(index)).collect()
    }

    fn request(policy: Policy<'_>, cursor: &mut Cursor) -> Request {
        let mut request = Request::page();
        policy.apply(&mut request, cursor);
        request
    }

    fn turns(policy: Policy<'_>, count: usize, cursor: &mut Cursor) -> Vec<usize> {
        let mut next = || request(policy, cursor).preferred.unwrap().index();
        (0..count).map(|_| next()).collect()
    }

    fn first_turns(policy: Policy<'_>, count: usize) -> Vec<usize> {
        let mut cursor = Cursor::START;
        turns(policy, count, &mut cursor)
    }

    #[test]
    fn interleaving_goes_round_in_ascending_order_from_the_lowest_node() {
        let policy = Policy::Interleave(set(&[127, 3, 64]));
        assert_eq!(first_turns(policy, 7), [3, 64, 127, 3, 64, 127, 3]);
        assert_eq!(first_turns(Policy::Interleave(set(&[5])), 2), [5, 5]);
    }

    #[test]
    fn each_node_has_as_many_turns_in_a_row_as_its_weight() {
        let weights = NodeWeights::from_iter([3, 0, 1, 2]);
        let policy = Policy::Weighted(set(&[0, 1, 2]), &weights);
        assert_eq!(first_turns(policy, 9), [0, 0, 0, 2, 0, 0, 0, 2, 0]);
        weights.set(NodeId::ZERO, u8::MAX);
        let round = first_turns(policy, 512);
        assert_eq!(round.iter().filter(|node| **node == 0).count(), 510);
    }

    #[test]
    fn another_set_goes_on_above_the_last_node() {
        let mut cursor = Cursor::START;
        assert_eq!(turns(Policy::Interleave(set(&[1, 4])), 1, &mut cursor), [1]);
        assert_eq!(turns(Policy::Interleave(set(&[0, 2])), 2, &mut cursor), [2, 0]);
        let weights = NodeWeights::from_iter([2; 8]);
        assert_eq!(turns(Policy::Weighted(set(&[1, 4]), &weights), 3, &mut cursor), [1, 1, 4]);
        // Node 4 has a turn left, but is not of this set.
        assert_eq!(turns(Policy::Weighted(set(&[0, 3]), &weights), 1, &mut cursor), [0]);
        // Node 0 has a turn left, but by these weights none.
        let weights = NodeWeights::from_iter([0, 9, 9]);
        assert_eq!(turns(Policy::Weighted(set(&[0, 2]), &weights), 1, &mut cursor), [2]);
    }

    #[test]
    fn a_cursor_is_unpacked_as_it_was_packed_and_from_nonsense_at_its_start() {
        let weights = NodeWeights::from_iter([200; MAX_NODES]);
        for index in [0, 63, 127] {
            let mut cursor = Cursor::START;
            turns(Policy::Weighted(set(&[index]), &weights), 7, &mut cursor);
            assert_eq!(Cursor::unpack(cursor.pack()), cursor);
        }
        assert_eq!(Cursor::unpack(u16::MAX), Cursor::START);
    }

    #[test]
    fn nothing_to_choose_from_allows_no_node_and_leaves_the_cursor() {
        let weights = NodeWeights::from_iter([0, 0, 7]);
        for policy in [Policy::Interleave(NodeSet::EMPTY), Policy::Weighted(set(&[0, 1]), &weights)] {
            let mut cursor = Cursor::START;
            assert!(request(policy, &mut cursor).nodes.is_empty());
            assert_eq!(cursor, Cursor::START);
        }
        assert_eq!(weights.nodes(), set(&[2]));
    }
}
