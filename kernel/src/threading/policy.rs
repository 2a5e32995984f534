//! A thread's policy: what its control block holds of it, and a guard that sets one for a while.
use super::per_cpu;
use super::thread::Thread;
use core::marker::PhantomData;
use core::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use page_alloc::{Cursor, NodeWeights, Policy};
use units::{NodeId, NodeSet};

/// What a policy over several nodes has besides its kind, and where the thread's turns stand.
///
/// Its thread alone writes it, or whoever creates that thread. Others may read the nodes meanwhile, to place the thread.
pub struct PolicyNodes {
    words: [AtomicU64; 2],
    weights: NodeWeights,
    /// A [`Cursor`], packed. Also for the calls of a thread that bring a policy of their own.
    cursor: AtomicU16,
}

/// A policy of one node, or none, in a word; of any other its kind.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Packed(pub i32);

const LOCAL: i32 = 0;
const PREFERRED: i32 = 1;
const STRICT: i32 = 2;
const SET: i32 = 3;
const INTERLEAVE: i32 = 4;
const WEIGHTED: i32 = 5;

impl Packed {
    /// Where none was set.
    pub const NONE: Self = Self(-1);
    /// The node of the CPU.
    pub const LOCAL: Self = Self::new(LOCAL, NodeId::ZERO);

    /// This node, else the nearest.
    pub const fn preferred(node: NodeId) -> Self {
        Self::new(PREFERRED, node)
    }

    /// The node, where it names one.
    #[inline]
    pub fn named_node(self) -> Option<NodeId> {
        if (PREFERRED..=STRICT).contains(&self.kind()) { self.node() } else { None }
    }

    /// The kind in bits 8 and up, the node below.
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

impl PolicyNodes {
    /// No nodes, and no turn yet.
    pub const fn new() -> Self {
        Self {
            words: [const { AtomicU64::new(0) }; 2],
            weights: NodeWeights::new(),
            cursor: AtomicU16::new(Cursor::START.pack()),
        }
    }

    /// What belongs to `packed`, for another thread: its turns begin anew.
    pub fn copy_for(&self, packed: Packed) -> Self {
        let copy = Self::new();
        copy.set_nodes(self.nodes());
        if packed.kind() == WEIGHTED {
            copy.weights.copy_from(&self.weights);
        }
        copy
    }

    /// Takes the policy in, and returns what of it fits a word.
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

    /// The policy again; `None` where none was set.
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

    /// Whose turn it was last.
    #[inline]
    pub fn cursor(&self) -> Cursor {
        Cursor::unpack(self.cursor.load(Ordering::Relaxed))
    }

    /// Notes whose turn it was.
    #[inline]
    pub fn set_cursor(&self, cursor: Cursor) {
        self.cursor.store(cursor.pack(), Ordering::Relaxed);
    }

    fn nodes(&self) -> NodeSet {
        NodeSet::from_words([0, 1].map(|index| self.words[index].load(Ordering::Relaxed)))
    }

    fn set_nodes(&self, nodes: NodeSet) {
        for (to, word) in self.words.iter().zip(nodes.words()) {
            to.store(word, Ordering::Relaxed);
        }
    }
}

/// Puts a thread's policy back as it was, turns included, when it is dropped. Of several guards the youngest is dropped first.
///
/// ```ignore
/// let _each_in_turn = with_policy(Some(Policy::Interleave(nodes)));
/// let buffer = page_allocator::allocate_for_thread(request)?;
/// ```
#[must_use = "the policy holds for as long as the guard is kept"]
pub struct PolicyGuard<'t> {
    thread: &'t Thread,
    packed: Packed,
    nodes: PolicyNodes,
    /// Only the thread itself changes its policy, so that the guard stays with it.
    stays: PhantomData<*const ()>,
}

/// Gives the running thread this policy until the guard is dropped; with `None` its preferred node counts alone.
pub fn with_policy(policy: Option<Policy<'_>>) -> PolicyGuard<'static> {
    PolicyGuard::new(per_cpu::current_thread(), policy)
}

impl<'t> PolicyGuard<'t> {
    /// The same for `thread`, which is the running one.
    pub fn new(thread: &'t Thread, policy: Option<Policy<'_>>) -> Self {
        let (packed, nodes) = thread.packed_policy();
        let saved = nodes.copy_for(packed);
        saved.set_cursor(nodes.cursor());
        thread.set_policy(policy);
        Self { thread, packed, nodes: saved, stays: PhantomData }
    }
}

impl Drop for PolicyGuard<'_> {
    fn drop(&mut self) {
        self.thread.set_policy(self.nodes.unpack(self.packed));
        self.thread.set_cursor(self.nodes.cursor());
    }
}
