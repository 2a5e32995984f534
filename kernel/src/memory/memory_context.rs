//! The part of a thread that decides where its memory comes from: its preferred node and its policy.
use super::cpu_memory;
use super::packed_policy::{Packed, PolicyNodes};
use crate::arch;
use crate::platform::numa_topology;
use core::sync::atomic::{AtomicI32, Ordering::Relaxed};
use page_alloc::{Cursor, Policy};
use units::NodeId;

/// A thread's preferred node and policy. Every thread contains it at a fixed offset, where [`MemoryContext::current`] finds it.
///
/// Only two threads write it: the thread itself and, before that runs, its creator.
#[repr(C)]
pub struct MemoryContext {
    /// What [`MemoryContext::placement`] returns: a [`Packed`] word.
    placement: AtomicI32,
    /// The policy: a [`Packed`] word.
    policy: AtomicI32,
    /// The preferred node's index, or [`NO_NODE`].
    preferred_node: AtomicI32,
    /// The rest of the policy.
    policy_nodes: PolicyNodes,
}

const NO_NODE: i32 = -1;

/// A structure that a CPU runs, and that contains a [`MemoryContext`].
///
/// # Safety
/// The structure has a `MemoryContext` at [`MemoryContext::OFFSET`].
pub unsafe trait MemoryTask: arch::Task {}

/// Checks at compile time that a task's context, which is at `offset`, is where [`MemoryContext::current`] looks for it.
pub const fn assert_task<T: MemoryTask>(offset: usize) {
    assert!(offset == MemoryContext::OFFSET);
}

impl MemoryContext {
    /// The offset in a [`MemoryTask`]: behind the [`Context`](arch::Context), which every switch touches.
    pub const OFFSET: usize = size_of::<arch::Context>();

    /// Returns a context without a policy and a preferred node.
    pub const fn new() -> Self {
        Self {
            placement: AtomicI32::new(Packed::LOCAL.word()),
            policy: AtomicI32::new(Packed::NONE.word()),
            preferred_node: AtomicI32::new(NO_NODE),
            policy_nodes: PolicyNodes::new(),
        }
    }

    /// Returns the running thread's context.
    #[inline]
    pub fn current() -> &'static Self {
        // SAFETY: every `Task` of the kernel is a `Thread`, which is a `MemoryTask` and so has its context at this offset. The
        // running thread exists until it has exited, and it is the running thread that uses the reference.
        unsafe { &*arch::current_task().byte_add(Self::OFFSET).cast() }
    }

    /// Returns the context of a thread that this context's thread creates. It has this preferred node and this policy, and starts an
    /// interleaving of its own.
    pub fn inherit(&self) -> Self {
        let (policy, nodes) = self.packed_policy();
        Self {
            placement: AtomicI32::new(self.placement.load(Relaxed)),
            policy: AtomicI32::new(policy.word()),
            preferred_node: AtomicI32::new(self.preferred_node.load(Relaxed)),
            policy_nodes: nodes.copy_for(policy),
        }
    }

    /// Returns the node that the policy or the preferred node selects for the thread's stacks and heap blocks. For a set, it is the
    /// set's node nearest to the running CPU. `None` means the CPU's node: for a local policy, for interleaving, and without both.
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

    /// Returns the node for the thread's stacks and heap blocks: [`MemoryContext::home`], or else the running CPU's node.
    pub fn home_node(&self) -> NodeId {
        self.home().unwrap_or(cpu_memory::current().node)
    }

    /// Returns the preferred node.
    pub fn preferred_node(&self) -> Option<NodeId> {
        node_from(self.preferred_node.load(Relaxed))
    }

    /// Sets the preferred node, and returns the old one.
    pub fn set_preferred_node(&self, node: Option<NodeId>) -> Option<NodeId> {
        let new = node.map_or(NO_NODE, |node| node.index() as i32);
        let old = node_from(self.preferred_node.swap(new, Relaxed));
        self.update_placement();
        old
    }

    /// Returns the policy, if one is set.
    pub fn policy(&self) -> Option<Policy<'_>> {
        let (packed, nodes) = self.packed_policy();
        nodes.unpack(packed)
    }

    /// Returns the policy for requests without a policy of their own: the thread's, or else `Preferred` of its preferred node, or
    /// else `Local`.
    pub fn effective_policy(&self) -> Policy<'_> {
        self.policy().or_else(|| self.preferred_node().map(Policy::Preferred)).unwrap_or(Policy::Local)
    }

    /// Returns the policy as it is stored.
    pub fn packed_policy(&self) -> (Packed, &PolicyNodes) {
        (Packed::from_word(self.policy.load(Relaxed)), &self.policy_nodes)
    }

    /// Returns the state of the thread's interleaving.
    #[inline]
    pub fn cursor(&self) -> Cursor {
        self.policy_nodes.cursor()
    }

    /// Stores the state of the thread's interleaving.
    #[inline]
    pub fn set_cursor(&self, cursor: Cursor) {
        self.policy_nodes.set_cursor(cursor);
    }

    /// Returns true if the thread's memory comes from the CPU's node.
    #[inline]
    pub fn takes_local_memory(&self) -> bool {
        self.placement() == Packed::LOCAL
    }

    /// Returns the effective policy in one word. Of a policy over several nodes, the word has only the kind.
    #[inline]
    pub fn placement(&self) -> Packed {
        Packed::from_word(self.placement.load(Relaxed))
    }

    /// Updates the placement after a change of the policy or of the preferred node.
    fn update_placement(&self) {
        let placement = match (self.packed_policy().0, self.preferred_node()) {
            (Packed::NONE, None) => Packed::LOCAL,
            (Packed::NONE, Some(node)) => Packed::preferred(node),
            (policy, _) => policy,
        };
        self.placement.store(placement.word(), Relaxed);
    }

    /// Sets the policy. Only the thread itself calls this or, before it runs, its creator.
    pub fn set_policy(&self, policy: Option<Policy<'_>>) {
        let packed = policy.map_or(Packed::NONE, |policy| self.policy_nodes.pack(policy));
        self.policy.store(packed.word(), Relaxed);
        self.update_placement();
    }
}

fn node_from(value: i32) -> Option<NodeId> {
    usize::try_from(value).ok().and_then(NodeId::new)
}
