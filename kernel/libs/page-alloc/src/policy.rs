//! Policies: which nodes a thread's requests, or one of them, go to.
use core::sync::atomic::AtomicU8;
use core::sync::atomic::Ordering::Relaxed;

use units::{MAX_NODES, NodeId, NodeSet};

use crate::request::Request;

/// Where memory is wanted from. In Linux's words: local, preferred, bind to one node, bind, interleave, weighted interleave.
#[derive(Clone, Copy, Debug)]
pub enum Policy<'w> {
    /// The node of the CPU that asks, else the nearest to it.
    Local,
    /// This node, else the nearest to it.
    Preferred(NodeId),
    /// This node or nothing.
    Strict(NodeId),
    /// The nearest of these nodes that has the frames, or nothing.
    Set(NodeSet),
    /// These nodes in turn, ascending; where the one whose turn it is has no such frames, the nearest to it, whether it is one
    /// of them or not.
    Interleave(NodeSet),
    /// The same, each node as often in a row as its weight says.
    Weighted(NodeSet, &'w NodeWeights),
}

impl Policy<'_> {
    /// For a thread on a CPU of `node`, the one node that it names first whatever came before, and whether no other will do;
    /// `None` where it is about several nodes.
    #[inline]
    pub fn one_node(&self, node: NodeId) -> Option<(NodeId, bool)> {
        match *self {
            Self::Local => Some((node, false)),
            Self::Preferred(preferred) => Some((preferred, false)),
            Self::Strict(only) => Some((only, true)),
            Self::Set(_) | Self::Interleave(_) | Self::Weighted(..) => None,
        }
    }

    /// The request for `count` frames of a thread on a CPU of `node`, whose turns have come to `cursor`. The cursor moves on
    /// where there are turns; whose request is refused may put it back.
    ///
    /// A set that is empty, or where each weight is 0, asks for what is refused.
    #[inline]
    pub fn request(&self, count: u64, node: NodeId, cursor: &mut Cursor) -> Request {
        let request = Request::new(count, node);
        let in_turn = |chosen: Option<NodeId>| match chosen {
            Some(preferred) => Request { preferred, interleaved: true, ..request },
            None => Request { nodes: NodeSet::EMPTY, ..request },
        };
        if let Some((preferred, strict)) = self.one_node(node) {
            return Request { preferred, strict, ..request };
        }
        match *self {
            Self::Local | Self::Preferred(_) | Self::Strict(_) => request,
            Self::Set(nodes) => Request { nodes, ..request },
            Self::Interleave(nodes) => in_turn(cursor.next(nodes)),
            Self::Weighted(nodes, weights) => in_turn(cursor.next_weighted(nodes, weights)),
        }
    }
}

/// A weight for each node. They can be read while they are set.
#[derive(Debug)]
pub struct NodeWeights([AtomicU8; MAX_NODES]);

impl NodeWeights {
    /// Each weight is 0.
    pub const fn new() -> Self {
        Self([const { AtomicU8::new(0) }; MAX_NODES])
    }

    /// The node's weight.
    #[inline]
    pub fn of(&self, node: NodeId) -> u8 {
        self.0[node.index()].load(Relaxed)
    }

    /// Sets the node's weight.
    pub fn set(&self, node: NodeId, weight: u8) {
        self.0[node.index()].store(weight, Relaxed);
    }

    /// Sets all weights to what those are.
    pub fn copy_from(&self, other: &Self) {
        for (to, from) in self.0.iter().zip(&other.0) {
            to.store(from.load(Relaxed), Relaxed);
        }
    }

    /// The nodes whose weight is not 0.
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
    /// The weights of nodes 0, 1, 2, …; those that are left out are 0, those beyond the last node are ignored.
    fn from_iter<I: IntoIterator<Item = u8>>(weights: I) -> Self {
        let new = Self::new();
        new.0.iter().zip(weights).for_each(|(to, weight)| to.store(weight, Relaxed));
        new
    }
}

/// Whose turn it was last, and how many more that node has: where a thread's interleaving stands.
///
/// One cursor serves a thread whatever sets it interleaves over: the next is always the next higher of the set at hand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cursor {
    last: NodeId,
    left: u8,
}

impl Cursor {
    /// Before the first turn: the lowest node of a set comes next.
    pub const START: Self = Self { last: highest(), left: 0 };

    /// The cursor in 16 bits, to be kept where that is wanted.
    #[inline]
    pub const fn pack(self) -> u16 {
        (self.last.index() as u16) << 8 | self.left as u16
    }

    /// What was packed; [`Cursor::START`] for what never was.
    #[inline]
    pub const fn unpack(packed: u16) -> Self {
        match NodeId::new((packed >> 8) as usize) {
            Some(last) => Self { last, left: packed as u8 },
            None => Self::START,
        }
    }

    /// The next of these nodes; `None` where there is none.
    #[inline]
    fn next(&mut self, nodes: NodeSet) -> Option<NodeId> {
        let next = nodes.next_after(self.last)?;
        *self = Self { last: next, left: 0 };
        Some(next)
    }

    /// The same node again while it has turns left, else the next that has a weight.
    fn next_weighted(&mut self, nodes: NodeSet, weights: &NodeWeights) -> Option<NodeId> {
        // The turns that are left may be by other weights.
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

/// Behind it comes the lowest node of any set.
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

    fn turns(policy: Policy<'_>, count: usize, cursor: &mut Cursor) -> Vec<usize> {
        let mut next = || policy.request(1, NodeId::ZERO, cursor).preferred.index();
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
            assert!(policy.request(1, NodeId::ZERO, &mut cursor).nodes.is_empty());
            assert_eq!(cursor, Cursor::START);
        }
        assert_eq!(weights.nodes(), set(&[2]));
    }
}
