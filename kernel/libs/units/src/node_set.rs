//! A set of NUMA nodes.
use core::fmt;

use crate::{MAX_NODES, NodeId};

/// A set of nodes, with one bit for each possible node.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct NodeSet(u128);

const _: () = assert!(MAX_NODES == u128::BITS as usize, "each node has a bit");

impl NodeSet {
    /// The empty set.
    pub const EMPTY: Self = Self(0);

    /// The set of all possible nodes.
    pub const ALL: Self = Self(u128::MAX);

    /// Creates a set from two words. Node n is bit n % 64 of word n / 64.
    #[must_use]
    pub const fn from_words([low, high]: [u64; 2]) -> Self {
        Self(low as u128 | (high as u128) << 64)
    }

    /// Returns the set as two words. Node n is bit n % 64 of word n / 64.
    #[must_use]
    pub const fn words(self) -> [u64; 2] {
        [self.0 as u64, (self.0 >> 64) as u64]
    }

    /// Adds a node.
    pub const fn insert(&mut self, node: NodeId) {
        self.0 |= 1 << node.index();
    }

    /// Removes a node.
    pub const fn remove(&mut self, node: NodeId) {
        self.0 &= !(1 << node.index());
    }

    /// Returns true if the set contains the node.
    #[inline]
    #[must_use]
    pub const fn contains(self, node: NodeId) -> bool {
        self.0 >> node.index() & 1 != 0
    }

    /// Returns true if the set contains no node.
    #[inline]
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Returns the nodes in both sets.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Returns true if all of these nodes are in `of`.
    #[must_use]
    pub const fn is_subset(self, of: Self) -> bool {
        self.0 & !of.0 == 0
    }

    /// Returns the node with the lowest index, or `None` if the set is empty.
    #[inline]
    #[must_use]
    pub const fn first(self) -> Option<NodeId> {
        NodeId::new(self.0.trailing_zeros() as usize)
    }

    /// Returns the next higher node in the set, or the lowest one if there is no higher one. Returns `None` if the set is
    /// empty.
    ///
    /// Takes the same number of steps for every set.
    #[inline]
    #[must_use]
    pub const fn next_after(self, node: NodeId) -> Option<NodeId> {
        let above = self.0 & (u128::MAX - 1) << node.index();
        Self(if above == 0 { self.0 } else { above }).first()
    }

    /// Returns the nodes in ascending order.
    pub fn iter(self) -> impl Iterator<Item = NodeId> {
        let mut rest = self;
        core::iter::from_fn(move || {
            let first = rest.first()?;
            rest.remove(first);
            Some(first)
        })
    }
}

impl FromIterator<NodeId> for NodeSet {
    fn from_iter<I: IntoIterator<Item = NodeId>>(nodes: I) -> Self {
        let mut set = Self::EMPTY;
        nodes.into_iter().for_each(|node| set.insert(node));
        set
    }
}

impl fmt::Debug for NodeSet {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_set().entries(self.iter().map(NodeId::index)).finish()
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::collections::BTreeSet;

    use super::*;
    use proptest::prelude::*;

    fn node(index: usize) -> NodeId {
        NodeId::new(index).unwrap()
    }

    fn indices() -> impl Strategy<Value = BTreeSet<usize>> {
        prop::collection::btree_set(0..MAX_NODES, 0..20)
    }

    fn set(indices: &BTreeSet<usize>) -> NodeSet {
        indices.iter().map(|&index| node(index)).collect()
    }

    proptest! {
        #[test]
        fn a_set_contains_what_was_inserted_in_ascending_order(inserted in indices()) {
            let nodes = set(&inserted);
            prop_assert!(nodes.iter().map(NodeId::index).eq(inserted.iter().copied()));
            prop_assert_eq!(nodes.is_empty(), inserted.is_empty());
            prop_assert_eq!(nodes.first().map(NodeId::index), inserted.first().copied());
            for index in 0..MAX_NODES {
                prop_assert_eq!(nodes.contains(node(index)), inserted.contains(&index));
                let bit = nodes.words()[index / 64] >> (index % 64) & 1;
                prop_assert_eq!(bit == 1, inserted.contains(&index));
            }
            prop_assert_eq!(NodeSet::from_words(nodes.words()), nodes);
        }

        #[test]
        fn the_next_node_is_the_next_higher_one_and_after_the_highest_the_lowest(inserted in indices(), last in 0..MAX_NODES) {
            let next = inserted.range(last + 1..).next().or(inserted.first()).copied();
            prop_assert_eq!(set(&inserted).next_after(node(last)).map(NodeId::index), next);
        }

        #[test]
        fn intersection_and_subset_agree_with_btree_sets(one in indices(), other in indices()) {
            let both = set(&one).intersection(set(&other));
            prop_assert_eq!(both, set(&one.intersection(&other).copied().collect()));
            prop_assert_eq!(set(&one).is_subset(set(&other)), one.is_subset(&other));
            prop_assert!(both.is_subset(set(&one)) && set(&one).is_subset(NodeSet::ALL));
        }
    }

    #[test]
    fn a_removed_node_is_not_in_the_set() {
        let mut nodes = NodeSet::ALL;
        nodes.remove(node(127));
        assert!(!nodes.contains(node(127)) && nodes.contains(node(126)));
        assert_eq!(nodes.next_after(node(126)), Some(node(0)));
    }
}
