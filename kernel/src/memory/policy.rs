//! Where a thread's memory comes from: its preferred node and its policy, and a guard that sets a policy for a while.
use super::cpu_memory;
use crate::arch;
use crate::platform::numa_topology;
use core::marker::PhantomData;
use core::sync::atomic::{AtomicI32, AtomicU16, AtomicU64, Ordering};
pub use page_alloc::Policy;
use page_alloc::{Cursor, NodeWeights};
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

/// Where a thread's memory comes from. Every thread begins with this, so that [`MemoryContext::current`] finds the running one's.
///
/// Its thread alone writes it, or whoever creates that thread.
#[repr(C)]
pub struct MemoryContext {
    /// What policy and preferred node come to, [`Packed`].
    placement: AtomicI32,
    /// The policy, [`Packed`].
    policy: AtomicI32,
    /// The preferred node's index, or [`NONE`].
    preferred_node: AtomicI32,
    /// What of the policy does not fit there.
    policy_nodes: PolicyNodes,
}

const NONE: i32 = -1;

/// What a CPU runs: a structure that has a [`MemoryContext`].
///
/// # Safety
/// It has it at [`MemoryContext::OFFSET`].
pub unsafe trait Task {}

impl MemoryContext {
    /// Where a [`Task`] has it: behind the [`Context`](arch::Context), which every switch touches.
    pub const OFFSET: usize = size_of::<arch::Context>();

    /// No policy, no preferred node.
    pub const fn new() -> Self {
        Self {
            placement: AtomicI32::new(Packed::LOCAL.0),
            policy: AtomicI32::new(Packed::NONE.0),
            preferred_node: AtomicI32::new(NONE),
            policy_nodes: PolicyNodes::new(),
        }
    }

    /// The running thread's: one instruction.
    #[inline]
    pub fn current() -> &'static Self {
        // SAFETY: what a CPU runs is a `Task`.
        unsafe { &*arch::current_task().byte_add(Self::OFFSET).cast() }
    }

    /// What a thread that this one's thread creates begins with: the preferred node and the policy, with turns of its own.
    pub fn inherit(&self) -> Self {
        let (policy, nodes) = self.packed_policy();
        Self {
            placement: AtomicI32::new(self.placement.load(Ordering::Relaxed)),
            policy: AtomicI32::new(policy.0),
            preferred_node: AtomicI32::new(self.preferred_node.load(Ordering::Relaxed)),
            policy_nodes: nodes.copy_for(policy),
        }
    }

    /// Runs `work` with no preferred node and no policy; what it sets of them ends with it.
    pub fn with_none<R>(&self, work: impl FnOnce() -> R) -> R {
        let node_before = self.preferred_node.swap(NONE, Ordering::Relaxed);
        let policy_before = PolicyGuard::new(self, None);
        let result = work();
        drop(policy_before);
        self.preferred_node.store(node_before, Ordering::Relaxed);
        self.place();
        result
    }

    /// The node where it wants its memory, by policy or preference, if it does not take that of the CPU it runs on: of a set
    /// the nearest to the running CPU; none where nodes come in turn.
    pub fn home(&self) -> Option<NodeId> {
        match self.policy() {
            Some(Policy::Preferred(node) | Policy::Strict(node)) => Some(node),
            Some(Policy::Set(nodes)) => {
                let order = numa_topology::get().fallback(cpu_memory::current().node);
                order.iter().copied().find(|node| nodes.contains(*node))
            }
            Some(Policy::Local | Policy::Interleave(_) | Policy::Weighted(..)) => None,
            None => self.preferred_node(),
        }
    }

    /// The node it prefers, if it does.
    pub fn preferred_node(&self) -> Option<NodeId> {
        node_from(self.preferred_node.load(Ordering::Relaxed))
    }

    /// Sets the node it prefers, and returns what it was.
    pub fn set_preferred_node(&self, node: Option<NodeId>) -> Option<NodeId> {
        let new = node.map_or(NONE, |node| node.index() as i32);
        let old = node_from(self.preferred_node.swap(new, Ordering::Relaxed));
        self.place();
        old
    }

    /// Its policy, if one was set.
    pub fn policy(&self) -> Option<Policy<'_>> {
        let (packed, nodes) = self.packed_policy();
        nodes.unpack(packed)
    }

    /// The same, as it is kept.
    pub fn packed_policy(&self) -> (Packed, &PolicyNodes) {
        (Packed(self.policy.load(Ordering::Relaxed)), &self.policy_nodes)
    }

    /// Where its turns stand, when it takes memory of several nodes in turn.
    #[inline]
    pub fn cursor(&self) -> Cursor {
        self.policy_nodes.cursor()
    }

    /// Notes where its turns stand.
    #[inline]
    pub fn set_cursor(&self, cursor: Cursor) {
        self.policy_nodes.set_cursor(cursor);
    }

    /// Whether its memory is that of the CPU's node.
    ///
    /// # Safety
    /// This is the running thread.
    #[inline]
    pub unsafe fn takes_local_memory(&self) -> bool {
        // SAFETY: the thread alone writes it once it runs, and others only read it. No atomic load: an instruction less.
        unsafe { self.placement.as_ptr().read() == Packed::LOCAL.0 }
    }

    /// Where it wants its memory: its policy, or else its preferred node.
    #[inline]
    pub fn placement(&self) -> Packed {
        Packed(self.placement.load(Ordering::Relaxed))
    }

    /// Notes that after a change of one of the two.
    fn place(&self) {
        let placement = match (Packed(self.policy.load(Ordering::Relaxed)), self.preferred_node()) {
            (Packed::NONE, None) => Packed::LOCAL,
            (Packed::NONE, Some(node)) => Packed::preferred(node),
            (policy, _) => policy,
        };
        self.placement.store(placement.0, Ordering::Relaxed);
    }

    /// Sets its policy: the thread's own affair, or that of whoever creates it.
    pub fn set_policy(&self, policy: Option<Policy<'_>>) {
        let packed = policy.map_or(Packed::NONE, |policy| self.policy_nodes.pack(policy));
        self.policy.store(packed.0, Ordering::Relaxed);
        self.place();
    }
}

fn node_from(value: i32) -> Option<NodeId> {
    usize::try_from(value).ok().and_then(NodeId::new)
}

/// Puts a thread's policy back as it was, turns included, when it is dropped. Of several guards the youngest is dropped first.
///
/// ```ignore
/// let _each_in_turn = with_policy(Some(Policy::Interleave(nodes)));
/// let buffer = page_allocator::allocate_for_thread(request)?;
/// ```
#[must_use = "the policy holds for as long as the guard is kept"]
pub struct PolicyGuard<'t> {
    thread: &'t MemoryContext,
    packed: Packed,
    nodes: PolicyNodes,
    /// Only the thread itself changes its policy, so that the guard stays with it.
    stays: PhantomData<*const ()>,
}

/// Gives the running thread this policy until the guard is dropped; with `None` its preferred node counts alone.
pub fn with_policy(policy: Option<Policy<'_>>) -> PolicyGuard<'static> {
    PolicyGuard::new(MemoryContext::current(), policy)
}

impl<'t> PolicyGuard<'t> {
    /// The same for `thread`, which is the running one.
    pub fn new(thread: &'t MemoryContext, policy: Option<Policy<'_>>) -> Self {
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
