//! Granting frames.
//!
//! A request tries each source once, in this order: the CPU's cache, the node's hot chunk, its lists, the caches of the node's
//! other CPUs, and then the next node of the fallback order.
use core::iter;

use lock_api::RawMutex;
use units::{FrameNumber, NodeId, NodeSet};

use super::{CpuCache, is_chunk_in_word};
use crate::allocator::PageAllocator;
use crate::error::{AllocateError, Refusal};
use crate::node::Node;
use crate::owner::PageOwner;
use crate::request::{Grant, Needs, Purpose, Request};

impl<'m, L: RawMutex> CpuCache<'m, L> {
    /// Grants contiguous frames: of the preferred node, or of the first node in its fallback order that the request allows and
    /// that has such a run. The frames contain what their last owner left there.
    ///
    /// If a node has no such run while caches hold frames of it that may help, this cache is drained, and `drain_others` is called with
    /// the node if other caches hold some. It has those drained that it can reach; then the request starts again.
    ///
    /// [`Request::page`] takes no lock, except to refill the cache once in up to 64 calls.
    ///
    /// # Errors
    /// See [`AllocateError`].
    pub fn allocate(
        &self,
        request: &Request,
        mut drain_others: impl FnMut(NodeId),
    ) -> Result<Grant, AllocateError> {
        let mut drained = NodeSet::EMPTY;
        loop {
            match self.try_allocate(request, drained) {
                Ok(grant) => return Ok(grant),
                Err(Refusal::Error(error)) => return Err(error),
                Err(Refusal::Drain { node, others }) => {
                    if self.frames.node() == Some(node) {
                        self.drain();
                    }
                    if others {
                        drain_others(node);
                    }
                    drained.insert(node);
                }
            }
        }
    }

    /// Grants frames as [`CpuCache::allocate`] does, but drains no cache and waits for no CPU. `drained` are the nodes whose caches the
    /// caller has had drained since it began with this request.
    ///
    /// # Errors
    /// See [`Refusal`].
    #[inline]
    pub fn try_allocate(&self, request: &Request, drained: NodeSet) -> Result<Grant, Refusal> {
        let is_unlimited = request.has_no_limits();
        if is_unlimited {
            let preferred = request.preferred.unwrap_or(self.node.get());
            let at_hand = match request.owner.is_kernel() {
                true => self.take_at_hand_for_kernel(request.count, preferred),
                false => self.take_at_hand(request.count, preferred, request.owner),
            };
            if let Some(grant) = at_hand {
                return Ok(grant);
            }
        }
        self.allocate_from_nodes(request, is_unlimited, drained)
    }

    /// Grants any `count` frames of the node to the owner, if they are at hand: a single frame in the cache, or a hot chunk of up to 32 frames or
    /// of 512. This is the first step of [`CpuCache::allocate`], for callers that want it inlined.
    #[inline(always)]
    pub fn take_at_hand(&self, count: u64, id: NodeId, owner: PageOwner) -> Option<Grant> {
        let own = self.node.get();
        if count == 1 && id == own {
            return self.frames.take(owner).map(|frame| self.cached(frame));
        }
        let frame = self.allocator.get()?.node(id)?.take_hot(count, id == own, owner)?;
        Some(Grant { frame, count, node: id, fell_back: false, cached: false })
    }

    /// Grants any 2, 4, 8, 16 or 32 frames of the node to the kernel, if they are a hot chunk. This is the first step of
    /// [`CpuCache::allocate`], for callers that want it inlined.
    #[inline(always)]
    pub fn take_at_hand_for_kernel(&self, count: u64, id: NodeId) -> Option<Grant> {
        if !is_chunk_in_word(count) {
            return None;
        }
        let frame = self.allocator.get()?.node(id)?.take_hot_for_kernel(count, id == self.node.get())?;
        Some(Grant { frame, count, node: id, fell_back: false, cached: false })
    }

    /// Describes a frame that the cache has granted.
    #[inline(always)]
    fn cached(&self, frame: FrameNumber) -> Grant {
        Grant { frame, count: 1, node: self.node.get(), fell_back: false, cached: true }
    }

    /// Allocates frames that are not at hand. `is_unlimited` is what [`Request::has_no_limits`] says.
    #[inline]
    fn allocate_from_nodes(
        &self,
        request: &Request,
        is_unlimited: bool,
        drained: NodeSet,
    ) -> Result<Grant, Refusal> {
        let &Request { count, strict, .. } = request;
        let preferred = request.preferred.unwrap_or(self.node.get());
        let no_fit = AllocateError::NoFit { preferred, count };
        let allocator = self.allocator.get().ok_or(no_fit)?;
        let own_page = count == 1 && self.frames.node() == Some(preferred) && is_unlimited;
        if own_page {
            match self.refill_and_take(allocator, request.owner) {
                Ok(frame) => return Ok(self.cached(frame)),
                Err(0) => {}
                Err(held) => self.ask_to_drain(preferred, held, drained)?,
            }
            if strict {
                return Err(no_fit.into());
            }
        }
        self.allocate_in_order(allocator, request, preferred, own_page, drained)
    }

    /// Takes a frame of the cache's node from the cache, which is empty unless the request is the kernel's. Refills it then.
    ///
    /// # Errors
    /// No frame is free outside the node's caches. The error is the number of frames in these.
    #[inline(always)]
    fn refill_and_take(
        &self,
        allocator: &PageAllocator<'m, L>,
        owner: PageOwner,
    ) -> Result<FrameNumber, u64> {
        let node = allocator.node(self.node.get()).ok_or(0u64)?;
        if owner.is_kernel()
            && let Some(frame) = self.frames.take_withheld()
        {
            self.reserve_for_kernel(allocator, node, frame);
            return Ok(frame);
        }
        node.refill(&self.frames)?;
        let taken = if owner.is_kernel() { self.frames.take_withheld() } else { self.frames.take(owner) };
        let frame = taken.ok_or(0u64)?;
        self.remember_block(allocator, frame);
        if owner.is_kernel() {
            self.reserve_for_kernel(allocator, node, frame);
        }
        Ok(frame)
    }

    /// Makes a frame from the cache kernel-owned.
    fn reserve_for_kernel(&self, allocator: &PageAllocator<'m, L>, node: &Node<'m, L>, frame: FrameNumber) {
        if let Some(span) = allocator.spans.find(frame.0) {
            node.reserve_for_kernel(span, frame);
        }
    }

    /// Grants a frame of the CPU's node to the owner as [`CpuCache::take_at_hand`] does, after that has found the cache empty. Returns `None` if no
    /// frame of the node is free outside of its caches, or if the CPU has no cache.
    #[inline]
    pub fn refill_and_take_page(&self, owner: PageOwner) -> Option<Grant> {
        let allocator = self.allocator.get().filter(|_| self.frames.node().is_some())?;
        self.refill_and_take(allocator, owner).ok().map(|frame| self.cached(frame))
    }

    /// Allocates from the lists of the preferred node, unless that was `tried` already, and then of the nodes in its fallback order.
    #[inline(never)]
    fn allocate_in_order(
        &self,
        allocator: &PageAllocator<'m, L>,
        request: &Request,
        preferred: NodeId,
        tried: bool,
        drained: NodeSet,
    ) -> Result<Grant, Refusal> {
        let needs = Needs::of(request)?;
        let &Request { interleaved, nodes, .. } = request;
        let preferred_node = allocator.node(preferred).ok_or(AllocateError::NoSuchNode(preferred))?;
        let fallback = if request.strict { &[] } else { preferred_node.fallback() };
        let any = nodes == NodeSet::ALL;
        let wanted = if any { preferred } else { first_allowed(preferred, fallback, nodes) };
        let purpose = Purpose { wanted, cpu_node: self.node.get(), interleaved };
        let allocate = |id| self.allocate_on(allocator, id, &needs, purpose, drained);
        if !tried
            && (any || nodes.contains(preferred))
            && let Some(grant) = allocate(preferred)?
        {
            return Ok(grant);
        }
        for &id in fallback {
            let allowed = id != preferred && (any || nodes.contains(id));
            if allowed && let Some(grant) = allocate(id)? {
                return Ok(grant);
            }
        }
        Err(AllocateError::NoFit { preferred, count: needs.count }.into())
    }

    /// Allocates from the lists of this node.
    #[inline]
    fn allocate_on(
        &self,
        allocator: &PageAllocator<'m, L>,
        id: NodeId,
        needs: &Needs,
        purpose: Purpose,
        drained: NodeSet,
    ) -> Result<Option<Grant>, Refusal> {
        let Some(node) = allocator.node(id) else { return Ok(None) };
        let frame = match node.allocate(needs, purpose, &allocator.spans) {
            Ok(frame) => frame,
            Err(held) => {
                self.ask_to_drain(id, held, drained)?;
                return Ok(None);
            }
        };
        let fell_back = id != purpose.wanted;
        if fell_back && let Some(wanted) = allocator.node(purpose.wanted) {
            wanted.count_foreign(needs.count);
        }
        Ok(Some(Grant { frame, count: needs.count, node: id, fell_back, cached: false }))
    }

    /// Refuses the request if the node's caches, which hold `held` frames that may help, were not drained for it yet.
    #[inline]
    fn ask_to_drain(&self, node: NodeId, held: u64, drained: NodeSet) -> Result<(), Refusal> {
        if held == 0 || drained.contains(node) {
            return Ok(());
        }
        let own = if self.frames.node() == Some(node) { self.frames.len() as u64 } else { 0 };
        Err(Refusal::Drain { node, others: held > own })
    }
}

/// Returns the preferred node if it is allowed, or else the first allowed one of its fallback order.
#[cold]
fn first_allowed(preferred: NodeId, fallback: &[NodeId], nodes: NodeSet) -> NodeId {
    let mut choices = iter::once(preferred).chain(fallback.iter().copied());
    choices.find(|id| nodes.contains(*id)).unwrap_or(preferred)
}
