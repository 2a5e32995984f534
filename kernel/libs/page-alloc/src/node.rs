//! One node: its lock, what the lock guards, and the counts that other nodes' CPUs write.
use core::mem::{MaybeUninit, take};
use core::sync::atomic::Ordering::Relaxed;

use lock_api::{Mutex, RawMutex};
use units::{FrameNumber, NodeId};

use crate::atomic::AtomicU64;
use crate::blocks::{BLOCK_ORDER, block_of};
use crate::cached_frames::CachedFrames;
use crate::error::{FreeError, IsolateError};
use crate::grant_step::Step;
use crate::guarded::Guarded;
use crate::hot_chunks::KnownBlock;
use crate::node_memory::NodeMemory;
use crate::owner::PageOwner;
use crate::region::{self, Region};
use crate::request::{Needs, Purpose};
use crate::span_index::SpanIndex;
use crate::span_table::{Span, SpanTable};
use crate::stats::{Counts, FreeSums, NodeStats};
use crate::word::FrameState;

/// A node, at the start of its own metadata. It lies two cache lines apart from anything else, since processors fetch lines in
/// pairs.
#[repr(align(128))]
pub struct Node<'m, L> {
    guarded: Mutex<L, Guarded<'m>>,
    id: NodeId,
    fallback: &'m [NodeId],
    /// The frames of the node's spans. Written under the lock.
    total: AtomicU64,
    first_span: Option<u32>,
    foreign: Remote,
}

/// A count that other nodes' CPUs write, apart from the cache lines that this node's CPUs need.
#[repr(align(128))]
struct Remote(AtomicU64);

impl<'m, L: RawMutex> Node<'m, L> {
    /// Returns a node with this memory.
    pub fn new(id: NodeId, memory: NodeMemory<'m>, fallback: &'m [NodeId], spans: &SpanTable<'_>) -> Self {
        let first_span = spans.first_of(id);
        let guarded = Guarded { memory, counts: Counts::default(), regions: &mut [], caches: None };
        Self {
            guarded: Mutex::new(guarded),
            id,
            fallback,
            total: AtomicU64::new(spans.of_node(first_span).map(|span| span.frames.len_frames()).sum()),
            first_span,
            foreign: Remote(AtomicU64::new(0)),
        }
    }

    /// Returns the nodes to try, in order, when this one is preferred and has no such frames.
    pub fn fallback(&self) -> &'m [NodeId] {
        self.fallback
    }

    /// Grants frames of this node that meet the needs.
    ///
    /// # Errors
    /// The number of frames in the node's caches, or 0 if those would not help either.
    pub fn allocate(
        &self,
        needs: &Needs,
        purpose: Purpose,
        spans: &SpanIndex<'m>,
    ) -> Result<FrameNumber, u64> {
        if self.total.load(Relaxed) == 0 {
            return Err(0);
        }
        let mut guarded = self.guarded.lock();
        let Guarded { memory, regions, .. } = &mut *guarded;
        let found = memory.allocate(needs, spans.of_node(self.first_span));
        let Some(frame) = found.or_else(|| region::allocate(regions, needs)) else {
            return Err(guarded.cached_that_may_help(needs.count));
        };
        if needs.owner.is_kernel()
            && let Some(span) = spans.find(frame)
            && !guarded.memory_of(span).make_kernel_owned(span.extent(), frame, needs.count)
        {
            // A wrong free on another CPU has taken the frame, which is in that CPU's cache now.
            return Err(guarded.cached_that_may_help(needs.count));
        }
        guarded.counts.count(needs.count, self.id, purpose);
        Ok(FrameNumber(frame))
    }

    /// Grants the hot chunk of `count` frames to the owner, if there is one: up to 32 frames, or 512. `local`: to a CPU of this node.
    #[inline(always)]
    pub fn take_hot(&self, count: u64, local: bool, owner: PageOwner) -> Option<FrameNumber> {
        let is_block = count == 1 << BLOCK_ORDER;
        if !is_block && (count > 32 || count & count.wrapping_sub(1) != 0) {
            return None;
        }
        let mut guarded = self.guarded.lock();
        let memory = &mut guarded.memory;
        let frame =
            if is_block { memory.take_hot_block(owner)? } else { memory.take_hot_in_word(count, owner)? };
        guarded.counts.count_hit(count, local);
        Some(FrameNumber(frame))
    }

    /// Grants the hot chunk of `count` frames to the kernel, if there is one. `count` is a power of two from 2 to 32. `local`: to a CPU
    /// of this node.
    #[inline(always)]
    pub fn take_hot_for_kernel(&self, count: u64, local: bool) -> Option<FrameNumber> {
        let mut guarded = self.guarded.lock();
        let frame = guarded.memory.take_hot_in_word(count, PageOwner::KERNEL)?;
        guarded.counts.count_hit(count, local);
        Some(FrameNumber(frame))
    }

    /// Takes back a single frame of a known block of the node, which becomes the hot chunk of one frame. Returns false, with nothing
    /// changed, if it is not a grant of the owner, if there is such a hot chunk already, or if the block was added after setup.
    #[inline(always)]
    pub fn keep_hot_page(&self, block: KnownBlock<'m>, frame: FrameNumber, owner: PageOwner) -> bool {
        block.span.region == 0 && self.guarded.lock().memory.keep_hot_page(block, frame.0, owner)
    }

    /// Takes back `count` frames of a known block of the node, which become a hot chunk: a grant of the owner, who is the kernel if
    /// `kernel_owned` says so. `count` is a power of two from 2 to 32. Returns false, with nothing changed, if they are no such grant, if there
    /// is a hot chunk of that order already, or if the block was added after setup.
    #[inline(always)]
    pub fn keep_hot_in_word(
        &self,
        block: KnownBlock<'m>,
        frame: FrameNumber,
        count: u64,
        owner: PageOwner,
        kernel_owned: bool,
    ) -> bool {
        block.span.region == 0
            && self.guarded.lock().memory.keep_hot_in_word(block, frame.0, count, owner, kernel_owned)
    }

    /// Takes back a whole block of this span of the node, as [`Node::keep_hot_in_word`] does.
    #[inline]
    pub fn keep_hot_block(&self, span: &'m Span, number: u64, owner: PageOwner) -> bool {
        span.region == 0 && self.guarded.lock().memory.keep_hot_block(span, number, owner)
    }

    /// Returns the block of this span of the node, if it is split.
    pub fn split_block(&self, span: &'m Span, number: u64) -> Option<KnownBlock<'m>> {
        let mut guarded = self.guarded.lock();
        let map = guarded.memory_of(span).blocks.map(span.extent().slot(number))?;
        Some(KnownBlock { number, map, span })
    }

    /// Counts frames that were wanted from here and came from another node.
    pub fn count_foreign(&self, frames: u64) {
        self.foreign.0.fetch_add(frames, Relaxed);
    }

    /// Takes back a grant of the owner that starts in this span of the node.
    pub fn free(
        &self,
        span: &'m Span,
        frame: FrameNumber,
        count: u64,
        owner: PageOwner,
    ) -> Result<(), FreeError> {
        let mut guarded = self.guarded.lock();
        let result = guarded.memory_of(span).free(span, frame, count, owner);
        result.map_err(|error| guarded.refuse(error))
    }

    /// Takes back grants that a step looks at, in a span of the node. Returns how many frames these were, and the next frame to look at.
    pub fn take_back_some(&self, step: Step<'m>) -> (u64, u64) {
        self.guarded.lock().memory_of(step.span).take_back_some(step)
    }

    /// Counts frames of grants that a step looks at, in a span of the node. Returns how many these are, and the next frame to look at.
    pub fn count_some(&self, step: Step<'m>) -> (u64, u64) {
        self.guarded.lock().memory_of(step.span).count_some(step)
    }

    /// Makes a frame of this span of the node, which a cache has granted to the kernel, kernel-owned.
    pub fn reserve_for_kernel(&self, span: &Span, frame: FrameNumber) {
        self.guarded.lock().memory_of(span).reserve_for_kernel(span.extent(), frame.0);
    }

    /// Takes back a kernel-owned grant that starts in this span of the node.
    pub fn free_kernel_owned(&self, span: &'m Span, frame: FrameNumber, count: u64) -> Result<(), FreeError> {
        let mut guarded = self.guarded.lock();
        let freed = guarded.memory_of(span).free_kernel_owned(span, frame, count);
        freed.map_err(|error| guarded.refuse(error))
    }

    /// Makes frames of this span of the node free. Returns false if one of them was added before.
    pub fn add(&self, span: &Span, start: FrameNumber, end: FrameNumber) -> bool {
        let frames = start.0..end.0;
        let mut guarded = self.guarded.lock();
        let add = guarded.memory_of(span).may_add(span.extent(), &frames);
        if add {
            guarded.memory_of(span).add(span.extent(), frames);
        }
        add
    }

    /// Takes free frames of this span of the node offline. Nothing is changed if one of them is not free.
    pub fn isolate(&self, span: &Span, start: FrameNumber, end: FrameNumber) -> Result<(), IsolateError> {
        let frames = start.0..end.0;
        let mut guarded = self.guarded.lock();
        if let Err(frame) = guarded.memory_of(span).isolate(span.extent(), frames.clone()) {
            return Err(match guarded.memory_of(span).state(span.extent(), frame) {
                FrameState::Withheld => IsolateError::Cached(FrameNumber(frame)),
                FrameState::Reserved => IsolateError::NeverAdded(FrameNumber(frame)),
                _ => IsolateError::InUse(FrameNumber(frame)),
            });
        }
        Ok(())
    }

    /// Returns the number of the node's regions besides the one of setup.
    pub fn added_regions(&self) -> usize {
        self.guarded.lock().regions.len()
    }

    /// Adds a region as the last of `slots`, to which the others move. The number of slots is the region's own. `publish` makes
    /// the region's frames known before any of them can be granted.
    pub fn add_region(
        &self,
        region: Region<'m>,
        slots: &'m mut [MaybeUninit<Region<'m>>],
        publish: impl FnOnce(),
    ) {
        let mut guarded = self.guarded.lock();
        let frames = region.span.frames.len_frames();
        let regions = take(&mut guarded.regions);
        guarded.regions = region::moved(regions, region, slots);
        self.total.fetch_add(frames, Relaxed);
        publish();
    }

    /// Builds a cache of the node's frames in this memory. Returns `None` if the memory is too small.
    pub fn add_cache(&self, memory: &'m mut [MaybeUninit<u8>]) -> Option<CachedFrames<'m>> {
        let mut guarded = self.guarded.lock();
        let cache = CachedFrames::new(self.id, guarded.caches, memory)?;
        guarded.caches = Some(cache.contents());
        Some(cache)
    }

    /// Fills an empty cache of the node.
    ///
    /// # Errors
    /// No frame is free outside the node's caches. The error is the number of frames in these.
    pub fn refill(&self, cache: &CachedFrames<'m>) -> Result<(), u64> {
        let mut guarded = self.guarded.lock();
        if guarded.may_refill() && guarded.refill(cache) {
            Ok(())
        } else {
            Err(guarded.cached_that_may_help(1))
        }
    }

    /// Frees a single frame of the owner, which is of the node, into a cache. A full cache first returns some of its frames, but only for a frame that is
    /// a grant: a refusal changes nothing.
    pub fn free_into(
        &self,
        cache: &CachedFrames<'m>,
        span: &'m Span,
        frame: FrameNumber,
        owner: PageOwner,
        spans: &SpanIndex<'m>,
    ) -> Result<(), FreeError> {
        let mut guarded = self.guarded.lock();
        match guarded.memory_of(span).single(span.extent(), frame, owner) {
            Ok(Some(map)) => {
                if cache.is_full() {
                    guarded.flush(cache, spans);
                }
                cache.remember(KnownBlock { number: block_of(frame.0), map, span });
                cache.remember_owners(frame.0, map.owners_of(frame.0));
                if cache.put_into(frame.0, map.owners_of(frame.0), owner) {
                    return Ok(());
                }
                Err(guarded.refuse(FreeError::AlreadyFree(frame)))
            }
            Ok(None) => Err(guarded.refuse(FreeError::InsideGrant(frame))),
            Err(error) => Err(guarded.refuse(error)),
        }
    }

    /// Returns the oldest frames of a cache to the node, as many as [`CachedFrames::flush`] takes at once.
    #[inline]
    pub fn flush(&self, cache: &CachedFrames<'m>, spans: &SpanIndex<'m>) {
        self.guarded.lock().flush(cache, spans);
    }

    /// Returns the node's numbers.
    pub fn stats(&self) -> NodeStats {
        let mut guarded = self.guarded.lock();
        let (counts, caches) = (guarded.counts, guarded.cache_counts());
        let sums = FreeSums::of(guarded.memories());
        NodeStats::new(self.total.load(Relaxed), sums, counts, self.foreign.0.load(Relaxed), caches)
    }

    /// Returns the node's free frames by the order of their chunks.
    pub fn free_by_order(&self) -> [u64; crate::ORDERS] {
        let mut guarded = self.guarded.lock();
        let mut frames = [0; crate::ORDERS];
        guarded.memories().for_each(|memory| memory.add_free_by_order(&mut frames));
        frames[0] += guarded.cache_counts().held;
        frames
    }
}
