//! A thread's policy as the thread stores it: the kind and a single node in one word, and the set and weights beside it.
use core::sync::atomic::{AtomicU16, AtomicU64, Ordering::Relaxed};
use page_alloc::{Cursor, NodeWeights, Policy};
use units::{NodeId, NodeSet};

/// The kind of a policy, and its node if it has a single one, in one word.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Packed(i32);

const LOCAL: i32 = 0;
const PREFERRED: i32 = 1;
const STRICT: i32 = 2;
const SET: i32 = 3;
const INTERLEAVE: i32 = 4;
const WEIGHTED: i32 = 5;

impl Packed {
    /// No policy.
    pub const NONE: Self = Self(-1);
    /// The policy for the CPU's node, or else the nearest.
    pub const LOCAL: Self = Self::new(LOCAL, NodeId::ZERO);

    /// Returns the policy for this node, or else the nearest.
    pub const fn preferred(node: NodeId) -> Self {
        Self::new(PREFERRED, node)
    }

    /// Returns the word.
    #[inline]
    pub const fn word(self) -> i32 {
        self.0
    }

    /// Returns the policy that [`Packed::word`] has turned into this word.
    #[inline]
    pub const fn from_word(word: i32) -> Self {
        Self(word)
    }

    /// Returns the node, if the policy names a single one.
    #[inline]
    pub fn named_node(self) -> Option<NodeId> {
        if (PREFERRED..=STRICT).contains(&self.kind()) { self.node() } else { None }
    }

    /// Packs the kind into bits 8 and up, and the node below.
    const fn new(kind: i32, node: NodeId) -> Self {
        Self(kind << 8 | node.index() as i32)
    }

    fn node(self) -> Option<NodeId> {
        NodeId::new((self.0 & 0xff) as usize)
    }

    fn kind(self) -> i32 {
        self.0 >> 8
    }
}

/// The set and the weights of a policy over several nodes, and the state of the thread's interleaving.
///
/// Only two threads write it: the thread itself and, before that runs, its creator. Other threads may read the nodes at any time, to
/// select a CPU for the thread.
pub struct PolicyNodes {
    words: [AtomicU64; 2],
    weights: NodeWeights,
    /// A packed [`Cursor`]. It also serves calls of the thread that bring a policy of their own.
    cursor: AtomicU16,
}

impl PolicyNodes {
    /// Returns an empty set, with the interleaving at its start.
    pub const fn new() -> Self {
        Self {
            words: [const { AtomicU64::new(0) }; 2],
            weights: NodeWeights::new(),
            cursor: AtomicU16::new(Cursor::START.pack()),
        }
    }

    /// Returns a copy for the policy `packed`: the nodes, and the weights if it has any. The copy's interleaving is at its start.
    pub fn copy_for(&self, packed: Packed) -> Self {
        let copy = Self::new();
        copy.set_nodes(self.nodes());
        if packed.kind() == WEIGHTED {
            copy.weights.copy_from(&self.weights);
        }
        copy
    }

    /// Stores the policy's nodes and weights, and returns its kind and single node. The interleaving starts anew.
    pub fn pack(&self, policy: Policy<'_>) -> Packed {
        self.set_cursor(Cursor::START);
        let several = |kind, nodes| {
            self.set_nodes(nodes);
            Packed::new(kind, NodeId::ZERO)
        };
        match policy {
            Policy::Local => Packed::new(LOCAL, NodeId::ZERO),
            Policy::Preferred(node) => Packed::new(PREFERRED, node),
            Policy::Strict(node) => Packed::new(STRICT, node),
            Policy::Set(nodes) => several(SET, nodes),
            Policy::Interleave(nodes) => several(INTERLEAVE, nodes),
            Policy::Weighted(nodes, weights) => {
                self.weights.copy_from(weights);
                several(WEIGHTED, nodes)
            }
        }
    }

    /// Returns the policy, or `None` if none is set.
    pub fn unpack(&self, packed: Packed) -> Option<Policy<'_>> {
        let node = packed.node()?;
        match packed.kind() {
            LOCAL => Some(Policy::Local),
            PREFERRED => Some(Policy::Preferred(node)),
            STRICT => Some(Policy::Strict(node)),
            SET => Some(Policy::Set(self.nodes())),
            INTERLEAVE => Some(Policy::Interleave(self.nodes())),
            WEIGHTED => Some(Policy::Weighted(self.nodes(), &self.weights)),
            _ => None,
        }
    }

    /// Returns the state of the interleaving.
    #[inline]
    pub fn cursor(&self) -> Cursor {
        Cursor::unpack(self.cursor.load(Relaxed))
    }

    /// Stores the state of the interleaving.
    #[inline]
    pub fn set_cursor(&self, cursor: Cursor) {
        self.cursor.store(cursor.pack(), Relaxed);
    }

    fn nodes(&self) -> NodeSet {
        NodeSet::from_words([0, 1].map(|index| self.words[index].load(Relaxed)))
    }

    fn set_nodes(&self, nodes: NodeSet) {
        for (to, word) in self.words.iter().zip(nodes.words()) {
            to.store(word, Relaxed);
        }
    }
}
