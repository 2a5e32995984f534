//! A guard that sets the running thread's policy while it lives.
use super::memory_context::MemoryContext;
use super::packed_policy::{Packed, PolicyNodes};
use core::marker::PhantomData;
use page_alloc::Policy;

/// Restores a thread's policy and the state of its interleaving when it is dropped. Of several guards the youngest is dropped first.
///
/// ```ignore
/// let _each_in_turn = PolicyGuard::new(MemoryContext::current(), Some(Policy::Interleave(nodes)));
/// let buffer = allocate::allocate_for_thread(request)?;
/// ```
#[must_use = "the policy holds for as long as the guard is kept"]
pub struct PolicyGuard<'t> {
    context: &'t MemoryContext,
    packed: Packed,
    nodes: PolicyNodes,
    /// Only the thread itself changes its policy, so the guard is not `Send`.
    not_send: PhantomData<*const ()>,
}

impl<'t> PolicyGuard<'t> {
    /// Sets the policy in the running thread's context. With `None`, only the thread's preferred node counts.
    pub fn new(context: &'t MemoryContext, policy: Option<Policy<'_>>) -> Self {
        let (packed, nodes) = context.packed_policy();
        let saved = nodes.copy_for(packed);
        saved.set_cursor(nodes.cursor());
        context.set_policy(policy);
        Self { context, packed, nodes: saved, not_send: PhantomData }
    }
}

impl Drop for PolicyGuard<'_> {
    fn drop(&mut self) {
        self.context.set_policy(self.nodes.unpack(self.packed));
        self.context.set_cursor(self.nodes.cursor());
    }
}
