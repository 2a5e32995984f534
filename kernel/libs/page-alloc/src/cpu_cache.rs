//! A CPU's access to the allocator: every frame is granted and freed here.
//!
//! A request tries each source once, in this order: the CPU's cache, the node's hot chunk, its lists, the caches of the node's
//! other CPUs, and then the next node of the fallback order.
use core::cell::Cell;
use core::iter;
use core::mem::MaybeUninit;

use lock_api::RawMutex;
use units::{FrameNumber, NodeId, NodeSet};

use crate::allocator::PageAllocator;
use crate::blocks::{block_of, offset_in_block};
use crate::cached_frames::{CachedFrames, FLUSHED_FRAMES};
use crate::contents::{CacheView, Contents};
use crate::error::{AllocateError, FreeError, SetupError};
use crate::frame_map::BLOCK_FRAMES;
use crate::hot_chunks::KnownBlock;
use crate::node::Node;
use crate::request::{Grant, Needs, Purpose, Request};

/// The frames in a block.
const BLOCK_COUNT: u64 = BLOCK_FRAMES as u64;

/// A CPU's access to the allocator, with a cache of single frames of the CPU's node. What the cache holds counts as free.
///
/// It is for one CPU: it can move to another one, but cannot be shared. A kernel keeps it in the CPU's own data, and keeps
/// preemption off during a call. The methods take `&self`: a CPU that waits for others within [`CpuCache::allocate`] may have to
/// drain its own cache meanwhile.
///
/// A dropped cache keeps its frames. [`CpuCache::drain`] returns them.
pub struct CpuCache<'m, L = spin::Mutex<()>> {
    frames: CachedFrames<'m>,
    allocator: Cell<Option<&'m PageAllocator<'m, L>>>,
    node: Cell<NodeId>,
}

impl<'m, L: RawMutex> PageAllocator<'m, L> {
    /// Returns the layout of the memory that [`PageAllocator::cache_for`] needs: little more than 4 KiB.
    pub const fn cache_layout() -> core::alloc::Layout {
        Contents::layout()
    }

    /// Builds the access of a CPU of this node. `memory` holds its cache, preferably in the node itself.
    ///
    /// # Errors
    /// There is no such node, or the memory is too small.
    pub fn cache_for(
        &'m self,
        node: NodeId,
        memory: &'m mut [MaybeUninit<u8>],
    ) -> Result<CpuCache<'m, L>, SetupError> {
        let owner = self.node(node).ok_or(SetupError::NoSuchNode(node))?;
        let frames = owner.add_cache(memory).ok_or(SetupError::MetadataTooSmall(node))?;
        Ok(CpuCache { frames, allocator: Cell::new(Some(self)), node: Cell::new(node) })
    }
}

impl<'m, L> CpuCache<'m, L> {
    /// Returns the access of a CPU before the allocator exists. It refuses every call until it is [attached](CpuCache::attach).
    pub const fn detached() -> Self {
        Self { frames: CachedFrames::none(), allocator: Cell::new(None), node: Cell::new(NodeId::ZERO) }
    }

    /// Attaches a detached access to the allocator, for a CPU of this node. It caches no frames: the nodes serve each call. Has no
    /// effect if the access has an allocator already.
    pub fn attach(&self, allocator: &'m PageAllocator<'m, L>, node: NodeId) {
        if self.allocator.get().is_none() {
            self.allocator.set(Some(allocator));
            self.node.set(node);
        }
    }

    /// Returns what other CPUs see of the cache while its CPU uses it.
    pub fn view(&self) -> CacheView<'m> {
        self.frames.view()
    }

    /// Returns the CPU's node.
    #[inline]
    pub fn node(&self) -> NodeId {
        self.node.get()
    }

    /// Returns the number of frames in the cache.
    pub fn len(&self) -> usize {
        self.frames.len()
    }

    /// Returns true if the cache is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<'m, L: RawMutex> CpuCache<'m, L> {
    /// Grants contiguous frames: of the preferred node, or of the first node in its fallback order that the request allows and
    /// that has such a run. The frames contain what their last owner left there.
    ///
    /// If a node has no such run while caches of other CPUs hold frames of it that may help, `drain_others` is called with the
    /// node. It has those caches drained that it can reach; then the node is asked once more. The call may use this cache.
    ///
    /// [`Request::page`] takes no lock, except to refill the cache once in up to [`CACHE_FRAMES`](crate::CACHE_FRAMES) calls.
    ///
    /// # Errors
    /// See [`AllocateError`].
    pub fn allocate(
        &self,
        request: &Request,
        drain_others: impl FnMut(NodeId),
    ) -> Result<Grant, AllocateError> {
        if request.is_plain()
            && let Some(grant) =
                self.take_at_hand(request.count, request.preferred.unwrap_or(self.node.get()))
        {
            return Ok(grant);
        }
        self.allocate_from_nodes(request, drain_others)
    }

    /// Grants any `count` frames of the node, if they are at hand: a single frame in the cache, or a hot chunk of up to 32 frames or
    /// of 512. This is the first step of [`CpuCache::allocate`], for callers that want it inlined.
    #[inline(always)]
    pub fn take_at_hand(&self, count: u64, id: NodeId) -> Option<Grant> {
        let own = self.node.get();
        if count == 1 && id == own {
            return self.frames.take(false).map(|frame| self.cached(frame));
        }
        let frame = self.allocator.get()?.node(id)?.take_hot(count, id == own)?;
        Some(Grant { frame, count, node: id, fell_back: false, cached: false })
    }

    /// Describes a frame that the cache has granted.
    #[inline(always)]
    fn cached(&self, frame: FrameNumber) -> Grant {
        Grant { frame, count: 1, node: self.node.get(), fell_back: false, cached: true }
    }

    /// Allocates frames that are not at hand.
    #[inline(never)]
    fn allocate_from_nodes(
        &self,
        request: &Request,
        mut drain_others: impl FnMut(NodeId),
    ) -> Result<Grant, AllocateError> {
        let &Request { count, strict, kernel_owned, .. } = request;
        let preferred = request.preferred.unwrap_or(self.node.get());
        let no_fit = AllocateError::NoFit { preferred, count };
        let allocator = self.allocator.get().ok_or(no_fit)?;
        if count == 1 && self.frames.node() == Some(preferred) && request.has_no_limits() {
            if let Some(frame) = self.refill_and_take(allocator, kernel_owned, &mut drain_others) {
                return Ok(self.cached(frame));
            }
            if strict {
                return Err(no_fit);
            }
        }
        self.allocate_in_order(allocator, request, preferred, drain_others)
    }

    /// Takes a frame from the cache after refilling it. A plain request has found the cache empty.
    fn refill_and_take(
        &self,
        allocator: &PageAllocator<'m, L>,
        kernel_owned: bool,
        drain_others: &mut impl FnMut(NodeId),
    ) -> Option<FrameNumber> {
        if kernel_owned && let Some(frame) = self.frames.take(kernel_owned) {
            return Some(frame);
        }
        let id = self.node.get();
        let node = allocator.node(id)?;
        let refilled = node.refill(&self.frames).or_else(|held| {
            if held == 0 {
                return Err(held);
            }
            drain_others(id);
            node.refill(&self.frames)
        });
        refilled.ok()?;
        let frame = self.frames.take(kernel_owned)?;
        self.remember_block(allocator, frame);
        Some(frame)
    }

    /// Allocates from the lists of the preferred node, and then of the nodes in its fallback order.
    #[inline(never)]
    fn allocate_in_order(
        &self,
        allocator: &PageAllocator<'m, L>,
        request: &Request,
        preferred: NodeId,
        mut drain_others: impl FnMut(NodeId),
    ) -> Result<Grant, AllocateError> {
        let needs = Needs::of(request)?;
        let &Request { count, interleaved, kernel_owned, nodes, .. } = request;
        let preferred_node = allocator.node(preferred).ok_or(AllocateError::NoSuchNode(preferred))?;
        let fallback = if request.strict { &[] } else { preferred_node.fallback() };
        let others = fallback.iter().copied().filter(|id| *id != preferred);
        let any = nodes == NodeSet::ALL;
        let mut order = iter::once(preferred).chain(others).filter(|id| any || nodes.contains(*id));
        let wanted = order.clone().next().unwrap_or(preferred);
        let purpose = Purpose { wanted, cpu_node: self.node.get(), interleaved, kernel_owned };
        let grant = order.find_map(|id| {
            let node = allocator.node(id)?;
            let allocate = || node.allocate(&needs, purpose, &allocator.spans);
            let frame = allocate().or_else(|held| {
                if held == 0 {
                    return Err(held);
                }
                self.drain_caches(id, held, &mut drain_others);
                allocate()
            });
            Some(Grant { frame: frame.ok()?, count, node: id, fell_back: id != wanted, cached: false })
        });
        let grant = grant.ok_or(AllocateError::NoFit { preferred, count })?;
        if grant.fell_back
            && let Some(wanted) = allocator.node(wanted)
        {
            wanted.count_foreign(count);
        }
        Ok(grant)
    }

    /// Drains the node's caches, which hold `held` frames: this one, and then the others if they hold any.
    fn drain_caches(&self, node: NodeId, held: u64, drain_others: &mut impl FnMut(NodeId)) {
        let own = if self.frames.node() == Some(node) { self.frames.len() as u64 } else { 0 };
        if own > 0 {
            self.drain();
        }
        if held > own {
            drain_others(node);
        }
    }

    /// Takes back what one call of [`CpuCache::allocate`] granted. A single frame of the CPU's node goes into the cache, any other
    /// frames to their node. A full cache first returns most of its frames to the node.
    ///
    /// A single frame of the CPU's node takes no lock while there is room, if its block is one of the last that the cache has
    /// worked with and the frame is not the block's last.
    ///
    /// # Errors
    /// See [`FreeError`]. A refused free is counted and changes nothing.
    pub fn free(&self, frame: FrameNumber, count: u64) -> Result<(), FreeError> {
        if self.put_at_hand(frame, count) { Ok(()) } else { self.free_to_node(frame, count) }
    }

    /// Takes back a grant, if that is quickly done: a single frame, or a chunk of up to 32 frames, of a block that the cache
    /// remembers, or a chunk of 512 frames. Returns false, with nothing changed, otherwise. This is the first step of
    /// [`CpuCache::free`], for callers that want it inlined.
    #[inline(always)]
    #[must_use = "frames that were not taken back are still granted"]
    pub fn put_at_hand(&self, frame: FrameNumber, count: u64) -> bool {
        match count {
            1 => self.frames.put(frame) || self.put_single(frame),
            BLOCK_COUNT => self.put_block(frame),
            _ => self.put_chunk(frame, count),
        }
    }

    /// Frees a single frame whose block the cache remembers.
    #[inline(never)]
    fn put_single(&self, frame: FrameNumber) -> bool {
        let Some(block) = self.frames.known_block(frame.0) else { return false };
        let Some(node) = self.node_of(block) else { return false };
        if self.frames.node() == Some(block.span.node) {
            return self.put_known(node, block, frame);
        }
        node.keep_hot_in_word(block, frame, 1)
    }

    /// Puts a frame into the cache, if its block says that it is a grant of its own.
    fn put_known(&self, node: &Node<'m, L>, block: KnownBlock<'m>, frame: FrameNumber) -> bool {
        let is_single = || block.map.is_single(offset_in_block(frame.0));
        let Some(allocator) = self.allocator.get().filter(|_| is_single()) else { return false };
        let word = block.map.word_of(frame.0);
        if self.frames.is_full() {
            node.flush(&self.frames, FLUSHED_FRAMES, &allocator.spans);
            // During the flush the frame's owner may have freed it on another CPU.
            if !is_single() {
                return false;
            }
        } else if frame.0 % 64 != 63 {
            // Only an unknown word can have kept `put` from taking the frame.
            self.frames.remember_word(frame.0, word);
        }
        self.frames.put_checked(frame.0, word)
    }

    /// Makes a freed block hot.
    #[inline(never)]
    fn put_block(&self, frame: FrameNumber) -> bool {
        let FrameNumber(first) = frame;
        let Some(allocator) = self.allocator.get() else { return false };
        let Some(span) = allocator.spans.boot().find(first) else { return false };
        offset_in_block(first) == 0
            && allocator.node(span.node).is_some_and(|node| node.keep_hot_block(span, block_of(first)))
    }

    /// Makes a freed chunk of up to 32 frames hot, if the cache remembers its block.
    #[inline(never)]
    fn put_chunk(&self, frame: FrameNumber, count: u64) -> bool {
        let FrameNumber(first) = frame;
        // 0 for a power of two that the first frame is aligned to.
        let unaligned = (count | first) & count.wrapping_sub(1);
        if count > 32 || unaligned != 0 {
            return false;
        }
        let Some(block) = self.frames.known_block(first) else { return false };
        self.node_of(block).is_some_and(|node| node.keep_hot_in_word(block, frame, count))
    }

    /// Frees frames that are not at hand, after looking up their span.
    #[cold]
    #[inline(never)]
    fn free_to_node(&self, frame: FrameNumber, count: u64) -> Result<(), FreeError> {
        let allocator = self.allocator.get().ok_or(FreeError::NotMemory(frame))?;
        let (span, node) = allocator.span_to_free(frame)?;
        self.remember_block(allocator, frame);
        if count != 1 || Some(span.node) != self.frames.node() {
            return node.free(span, frame, count);
        }
        if let Some(block) = self.frames.known_block(frame.0)
            && self.put_known(node, block, frame)
        {
            return Ok(());
        }
        node.free_into(&self.frames, span, frame, &allocator.spans)
    }

    /// Takes back a kernel-owned grant. Only the kernel may call this: a single frame that was never granted cannot be told from a
    /// kernel-owned one.
    ///
    /// # Errors
    /// As for [`CpuCache::free`], and [`FreeError::NotKernelOwned`].
    pub fn free_kernel_owned(&self, frame: FrameNumber, count: u64) -> Result<(), FreeError> {
        let allocator = self.allocator.get().ok_or(FreeError::NotMemory(frame))?;
        let (span, node) = allocator.span_to_free(frame)?;
        node.free_kernel_owned(span, frame, count)
    }

    /// Returns all frames of the cache to their node: before the CPU halts, or when the node has no other free frame.
    #[inline]
    pub fn drain(&self) {
        if !self.frames.is_drained()
            && let Some(allocator) = self.allocator.get()
            && let Some(node) = allocator.node(self.node.get())
        {
            node.flush(&self.frames, self.frames.len(), &allocator.spans);
        }
    }

    /// Remembers the frame's block, if it is split and not known already.
    fn remember_block(&self, allocator: &PageAllocator<'m, L>, frame: FrameNumber) {
        if self.frames.known_block(frame.0).is_none()
            && let Some(span) = allocator.spans.find(frame.0)
            && let Some(block) =
                allocator.node(span.node).and_then(|node| node.split_block(span, block_of(frame.0)))
        {
            self.frames.remember(block);
        }
    }

    #[inline(always)]
    fn node_of(&self, block: KnownBlock<'m>) -> Option<&'m Node<'m, L>> {
        self.allocator.get()?.node(block.span.node)
    }
}
