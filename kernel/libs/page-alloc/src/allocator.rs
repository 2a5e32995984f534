//! The allocator over all nodes: what its users call.
use core::alloc::Layout;
use core::mem::MaybeUninit;
use core::sync::atomic::Ordering;

use lock_api::{Mutex, RawMutex};
use units::{FrameNumber, FrameRange, MAX_NODES, NodeId, NodeSet};

use crate::atomic::AtomicU64;
use crate::blocks::{block_of, offset_in_block};
use crate::cache::{Contents, CpuCache, FLUSHED_FRAMES};
use crate::error::{AddError, AllocateError, FreeError, NotCached, SetupError};
use crate::node::Node;
use crate::request::{Grant, Needs, Request};
use crate::setup::{self, NodeSetup};
use crate::span_index::SpanIndex;
use crate::span_table::SpanTable;
use crate::spans::NodeFrames;
use crate::{NodeStats, ORDERS};

/// Frames of all nodes, handed out and taken back.
///
/// `L` is the kind of lock, one for each node. It is held for a bounded time and never two at once, but for
/// [`PageAllocator::add_memory`], which holds one of its own and within it the node's. Code that interrupts its holder on
/// the same CPU must not call the allocator, unless `L` keeps interrupts off while it is held; the default, a plain spin
/// lock, does not.
pub struct PageAllocator<'m, L = spin::Mutex<()>> {
    nodes: [Option<&'m Node<'m, L>>; MAX_NODES],
    pub(crate) spans: SpanIndex<'m>,
    /// Held by who adds memory, and within it the lock of the node.
    pub(crate) growing: Mutex<L, ()>,
    refused_outside: AtomicU64,
}

impl<'m, L: RawMutex> PageAllocator<'m, L> {
    /// The memory that [`PageAllocator::new`] wants for its table of these spans.
    ///
    /// # Errors
    /// The spans are not ascending or too high.
    pub fn table_layout(spans: &[NodeFrames]) -> Result<Layout, SetupError> {
        setup::table_layout(spans)
    }

    /// The memory that [`PageAllocator::new`] wants for this node: 144 bytes for each 2 MiB block that the node's spans
    /// touch, and 640 bytes or so besides, also for a node without memory.
    ///
    /// # Errors
    /// The spans are not ascending or too high.
    pub fn node_layout(spans: &[NodeFrames], node: NodeId) -> Result<Layout, SetupError> {
        setup::node_layout::<L>(spans, node)
    }

    /// An allocator over these spans, nothing of which is free yet.
    ///
    /// `spans` ascend and do not overlap; touching ones of one node are taken as one. The k-th of `nodes` is node k.
    /// No frame is touched; a few instructions are spent for each 2 MiB block.
    ///
    /// # Errors
    /// See [`SetupError`].
    pub fn new(
        spans: &[NodeFrames],
        table: &'m mut [MaybeUninit<u8>],
        nodes: impl IntoIterator<Item = NodeSetup<'m>>,
    ) -> Result<Self, SetupError> {
        let table = SpanTable::new(spans, table)?;
        let mut built = [None; MAX_NODES];
        for (index, setup) in nodes.into_iter().enumerate() {
            let id = NodeId::new(index).ok_or(SetupError::TooManyNodes)?;
            built[index] = Some(setup::build_node(id, setup, spans, &table)?);
        }
        let named = built.iter().flatten().flat_map(|node: &&Node<'m, L>| node.fallback()).copied();
        let unknown = named
            .chain(table.spans().iter().map(|span| span.node))
            .find(|node| built[node.index()].is_none());
        match unknown {
            Some(node) => Err(SetupError::NoSuchNode(node)),
            None => Ok(Self {
                nodes: built,
                spans: SpanIndex::new(table),
                growing: Mutex::new(()),
                refused_outside: AtomicU64::new(0),
            }),
        }
    }

    /// Gives frames to their nodes to hand out, and returns how many; frame 0 is passed over, for it is never handed
    /// out. The range may hold parts of several spans, but no frame that is in none.
    ///
    /// Quick where a node's ranges are added in ascending order: the blocks at the edges and one step for each aligned
    /// run of blocks between them. Below what was added before, each block is looked at.
    ///
    /// The first frame of a [sealed](PageAllocator::seal) grant looks like one that was never added, and two bits a frame leave no
    /// room to tell them apart. Whoever adds memory again that was [removed](PageAllocator::remove_free) names what was removed and
    /// no more: a sealed frame that is added is granted a second time.
    ///
    /// # Errors
    /// See [`AddError`]. The frames before the one that is named were added.
    pub fn add_free(&self, range: FrameRange) -> Result<u64, AddError> {
        let mut next = range.start.max(FrameNumber(1));
        let mut added = 0;
        while next < range.end {
            let span = self.spans.find(next.0).ok_or(AddError::NotMemory(next))?;
            let end = range.end.min(span.frames.end);
            let node = self.node(span.node).ok_or(AddError::NotMemory(next))?;
            if !node.add(span, next, end) {
                return Err(AddError::AlreadyAdded(next));
            }
            added += end.0 - next.0;
            next = end;
        }
        Ok(added)
    }

    /// Hands out contiguous frames: of the preferred node, or of the first allowed node in its fallback order that has such
    /// a run. The frames are as whoever had them last left them.
    ///
    /// # Errors
    /// See [`AllocateError`].
    pub fn allocate(&self, request: &Request) -> Result<Grant, AllocateError> {
        self.allocate_or(request, |_, _| false)
    }

    /// The same, for who has caches: where a node has no such run and its caches hold frames that may help, `give_back` is told
    /// the node and how many those are, before another node is asked or the request refused. It has caches drained that it can
    /// reach, and returns whether that may have changed anything; then the node is asked again, once.
    ///
    /// # Errors
    /// See [`AllocateError`].
    pub fn allocate_or(
        &self,
        request: &Request,
        mut give_back: impl FnMut(NodeId, u64) -> bool,
    ) -> Result<Grant, AllocateError> {
        let needs = Needs::of(request)?;
        let &Request { count, preferred, nodes, .. } = request;
        let preferred_node = self.node(preferred).ok_or(AllocateError::NoSuchNode(preferred))?;
        let order =
            if request.strict { core::slice::from_ref(&preferred) } else { preferred_node.fallback() };
        let any = nodes == NodeSet::ALL;
        let wanted = if any { preferred } else { first_allowed(preferred, order, nodes) };
        for &id in order {
            let Some(node) = self.node(id).filter(|_| any || nodes.contains(id)) else { continue };
            let allocate = || node.allocate(request, wanted, &needs, &self.spans);
            let found = allocate().or_else(|cached| match cached {
                1.. if give_back(id, cached) => allocate(),
                _ => Err(cached),
            });
            let Ok(frame) = found else { continue };
            let fell_back = id != wanted;
            if fell_back && let Some(wanted) = self.node(wanted) {
                wanted.count_foreign(count);
            }
            return Ok(Grant { frame, count, node: id, fell_back });
        }
        Err(AllocateError::NoFit { preferred, count })
    }

    /// Hands out `count` frames of this node, if so many were freed there and are kept within one word of 64: what
    /// [`PageAllocator::allocate`] would do first, and nothing more. `None` does not say that there is no fit. `local`: whether
    /// the CPU that asks is of the node.
    #[inline(always)]
    pub fn allocate_kept(&self, node: NodeId, count: u64, local: bool) -> Option<FrameNumber> {
        self.node(node)?.allocate_kept_in_word(count, local)
    }

    /// The same for 512 frames.
    #[inline]
    pub fn allocate_kept_block(&self, node: NodeId, local: bool) -> Option<FrameNumber> {
        self.node(node)?.allocate_kept_block(local)
    }

    /// Takes back what one call of [`PageAllocator::allocate`] granted, to the node that it came from.
    ///
    /// # Errors
    /// See [`FreeError`]: anything else is refused, counted, and changes nothing.
    pub fn free(&self, frame: FrameNumber, count: u64) -> Result<(), FreeError> {
        let place = self.spans.find(frame.0).and_then(|span| Some((span, self.node(span.node)?)));
        let Some((span, node)) = place else {
            self.count_outside();
            return Err(FreeError::NotMemory(frame));
        };
        node.free(span, frame, count)
    }

    /// The memory that [`PageAllocator::add_cache`] wants: little more than 4 KiB.
    pub const fn cache_layout() -> Layout {
        Contents::layout()
    }

    /// A new cache of the node's frames for one of its CPUs, in memory of the caller's, best of that node.
    ///
    /// # Errors
    /// There is no such node, or the memory is too small.
    pub fn add_cache(
        &self,
        node: NodeId,
        memory: &'m mut [MaybeUninit<u8>],
    ) -> Result<CpuCache<'m>, SetupError> {
        let owner = self.node(node).ok_or(SetupError::NoSuchNode(node))?;
        owner.add_cache(memory).ok_or(SetupError::MetadataTooSmall(node))
    }

    /// Hands out a frame of the cache's node to a CPU of that node: from the cache, which is filled where it is empty.
    /// `None` when the node has no other free frame. Counts as [`PageAllocator::allocate`] would.
    ///
    /// Takes no lock but to fill the cache, once in up to [`CACHE_FRAMES`](crate::CACHE_FRAMES) calls. The cache must be
    /// this allocator's own.
    #[inline]
    pub fn allocate_cached(&self, cache: &mut CpuCache<'m>) -> Option<FrameNumber> {
        self.allocate_cached_or_tell(cache).ok()
    }

    /// The same, for who wants a frame of that node or none: without one, whether another cache of the node may have some.
    ///
    /// # Errors
    /// See [`NotCached`].
    #[inline]
    pub fn allocate_cached_or_tell(&self, cache: &mut CpuCache<'m>) -> Result<FrameNumber, NotCached> {
        if let Some(frame) = cache.take() { Ok(frame) } else { self.fill_and_take(cache) }
    }

    #[cold]
    #[inline(never)]
    fn fill_and_take(&self, cache: &mut CpuCache<'m>) -> Result<FrameNumber, NotCached> {
        let node = cache.node().and_then(|id| self.node(id)).ok_or(NotCached::AskNode)?;
        node.fill(cache)?;
        let frame = cache.take().ok_or(NotCached::AskNode)?;
        self.remember_block(cache, frame);
        Ok(frame)
    }

    /// As [`PageAllocator::free`], but keeps single frames of the cache's node in the cache. Where that is full, most of it
    /// is given back to the node first.
    ///
    /// Takes no lock as long as there is room and the frame's block is one of the last that the cache had to do with, but for a
    /// block's last frame.
    ///
    /// # Errors
    /// See [`FreeError`]: anything else is refused, counted, and changes nothing.
    #[inline]
    pub fn free_cached(
        &self,
        cache: &mut CpuCache<'m>,
        frame: FrameNumber,
        count: u64,
    ) -> Result<(), FreeError> {
        if count == 1 && cache.put(frame) { Ok(()) } else { self.free_looked_up(cache, frame, count) }
    }

    /// What [`PageAllocator::free_cached`] does with `count` frames if they are to be kept, and their state can be told from their
    /// block: one frame of another node, or a power of two up to 32. `false`, with nothing changed, otherwise: then `free_cached`
    /// decides.
    #[inline(always)]
    #[must_use = "frames that were not taken back are still granted"]
    pub fn free_kept(&self, cache: &CpuCache<'m>, frame: FrameNumber, count: u64) -> bool {
        let FrameNumber(first) = frame;
        // A power of two, or 0, of which none is kept; and aligned to itself.
        let below = count.wrapping_sub(1);
        if count > 32 || count & below != 0 || first & below != 0 {
            return false;
        }
        let Some(block) = cache.known_block(first) else { return false };
        if count == 1 && Some(block.span.node) == cache.node() {
            return false;
        }
        self.node(block.span.node).is_some_and(|node| node.keep_in_word(block, frame, count))
    }

    /// The same for 512 frames.
    #[inline]
    #[must_use = "frames that were not taken back are still granted"]
    pub fn free_kept_block(&self, frame: FrameNumber) -> bool {
        let Some(span) = self.spans.boot().find(frame.0) else { return false };
        offset_in_block(frame.0) == 0
            && self.node(span.node).is_some_and(|node| node.keep_block(span, block_of(frame.0)))
    }

    /// The same for a single frame of the cache's own node, whose block was one of the last that the cache had to do with. It
    /// is put in the cache; where that is full, most of it is given back to the node first.
    #[must_use = "a frame that was not taken back is still granted"]
    pub fn free_own(&self, cache: &mut CpuCache<'m>, frame: FrameNumber) -> bool {
        let Some(block) = cache.known_block(frame.0) else { return false };
        // Where two nodes meet in a block, it may be the other's that is remembered.
        if Some(block.span.node) != cache.node() || !block.map.is_single(offset_in_block(frame.0)) {
            return false;
        }
        let word = block.map.word_of(frame.0);
        if cache.is_full() {
            if let Some(node) = self.node(block.span.node) {
                node.flush(cache, FLUSHED_FRAMES, &self.spans);
            }
            // That took a while, in which the frame's owner may have freed it.
            if !block.map.is_single(offset_in_block(frame.0)) {
                return false;
            }
        } else if frame.0 % 64 != 63 {
            // Neither of the two was what kept the frame from being put: the word is unknown.
            cache.remember_word(frame.0, word);
        }
        cache.put_in(frame.0, word)
    }

    /// Has the cache remember the block that holds the frame, if it does not and the block is split.
    fn remember_block(&self, cache: &mut CpuCache<'m>, frame: FrameNumber) {
        if cache.known_block(frame.0).is_none()
            && let Some(span) = self.spans.find(frame.0)
            && let Some(block) =
                self.node(span.node).and_then(|node| node.split_block(span, block_of(frame.0)))
        {
            cache.remember(block);
        }
    }

    #[cold]
    #[inline(never)]
    fn free_looked_up(
        &self,
        cache: &mut CpuCache<'m>,
        frame: FrameNumber,
        count: u64,
    ) -> Result<(), FreeError> {
        let Some(span) = self.spans.find(frame.0) else { return self.free(frame, count) };
        let node = self.node(span.node).ok_or(FreeError::NotMemory(frame))?;
        self.remember_block(cache, frame);
        if count != 1 || Some(span.node) != cache.node() {
            return node.free(span, frame, count);
        }
        if self.free_own(cache, frame) {
            return Ok(());
        }
        node.free_cached(cache, span, frame, &self.spans)
    }

    /// Gives all that the cache holds back to its node: for a CPU that is about to halt, or when the node runs dry.
    #[inline]
    pub fn drain(&self, cache: &mut CpuCache<'m>) {
        if (!cache.is_empty() || cache.claim.is_some())
            && let Some(node) = cache.node().and_then(|node| self.node(node))
        {
            node.flush(cache, cache.len(), &self.spans);
        }
    }

    /// The node whose memory holds the frame, whether that is free, granted or was in use at boot.
    pub fn node_of(&self, frame: FrameNumber) -> Option<NodeId> {
        self.spans.find(frame.0).map(|span| span.node)
    }

    /// The node's numbers; `None` when there is no such node.
    pub fn node_stats(&self, node: NodeId) -> Option<NodeStats> {
        self.node(node).map(Node::stats)
    }

    /// The node's free frames in chunks of each order, each frame counted in the largest chunk it is part of.
    ///
    /// For reports: the node is locked while each of its blocks that has free frames is looked at.
    pub fn free_by_order(&self, node: NodeId) -> Option<[u64; ORDERS]> {
        self.node(node).map(Node::free_by_order)
    }

    /// Frees of any kind that were refused with [`FreeError::NotMemory`], which no node counts.
    pub fn refused_outside(&self) -> u64 {
        self.refused_outside.load(Ordering::Relaxed)
    }

    #[cold]
    pub(crate) fn count_outside(&self) {
        self.refused_outside.fetch_add(1, Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn node(&self, id: NodeId) -> Option<&'m Node<'m, L>> {
        // Every index is below that: the remainder saves a comparison.
        self.nodes[id.index() % MAX_NODES]
    }
}

/// The preferred node if it is allowed, else the first of its order that is.
#[cold]
fn first_allowed(preferred: NodeId, order: &[NodeId], nodes: NodeSet) -> NodeId {
    let mut choices = core::iter::once(preferred).chain(order.iter().copied());
    choices.find(|id| nodes.contains(*id)).unwrap_or(preferred)
}
