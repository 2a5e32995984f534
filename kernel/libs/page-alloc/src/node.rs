//! One node: its lock, what that guards, and the counts that others write.
use core::mem::MaybeUninit;
use core::ops::Range;
use core::sync::atomic::Ordering::{Acquire, Relaxed};

use lock_api::{Mutex, RawMutex};
use units::{FrameNumber, NodeId};

use crate::atomic::{AtomicU64, fence};
use crate::blocks::{BLOCK_ORDER, block_of};
use crate::bulk::Taken;
use crate::cache::{Claim, Contents, CpuCache, FLUSHED_FRAMES};
use crate::error::{FreeError, NotCached, RemoveError};
use crate::frame_map::FrameState;
use crate::kept::KnownBlock;
use crate::node_memory::NodeMemory;
use crate::region::{self, Region};
use crate::request::{Needs, Request};
use crate::span_index::SpanIndex;
use crate::span_table::{Span, SpanTable};
use crate::stats::{CacheCounts, Counts, FreeSums, NodeStats};

/// A node, at the start of its own metadata. Two cache lines apart from anything else, since processors fetch lines in
/// pairs.
#[repr(align(128))]
pub struct Node<'m, L> {
    guarded: Mutex<L, Guarded<'m>>,
    id: NodeId,
    fallback: &'m [NodeId],
    /// Frames of its spans. Written by who holds the lock.
    total: AtomicU64,
    first_span: Option<u32>,
    foreign: Remote,
}

struct Guarded<'m> {
    memory: NodeMemory<'m>,
    /// Memory that was added after setup, in the order of their numbers from 1 on.
    more: &'m mut [Region<'m>],
    counts: Counts,
    /// The first of the caches of the node's frames.
    caches: Option<&'m Contents<'m>>,
}

/// A count that other nodes' CPUs write, kept off the lines that this node's need.
#[repr(align(128))]
struct Remote(AtomicU64);

impl<'m, L: RawMutex> Node<'m, L> {
    pub fn new(id: NodeId, memory: NodeMemory<'m>, fallback: &'m [NodeId], spans: &SpanTable<'_>) -> Self {
        let first_span = spans.first_of(id);
        Self {
            guarded: Mutex::new(Guarded { memory, counts: Counts::default(), more: &mut [], caches: None }),
            id,
            fallback,
            total: AtomicU64::new(spans.of_node(first_span).map(|span| span.frames.len_frames()).sum()),
            first_span,
            foreign: Remote(AtomicU64::new(0)),
        }
    }

    /// The nodes to try when this one is preferred, in order.
    pub fn fallback(&self) -> &'m [NodeId] {
        self.fallback
    }

    /// Grants frames of this node, where they are wanted of `wanted`; without a fit tells how many frames its caches hold, 0
    /// where those would not do either.
    #[inline(always)]
    pub fn allocate(
        &self,
        request: &Request,
        wanted: NodeId,
        needs: &Needs,
        spans: &SpanIndex<'m>,
    ) -> Result<FrameNumber, u64> {
        if self.total.load(Relaxed) == 0 {
            return Err(0);
        }
        let mut guarded = self.guarded.lock();
        let Guarded { memory, more, counts, .. } = &mut *guarded;
        let found = memory.allocate(needs, spans.of_node(self.first_span));
        let Some(frame) = found.or_else(|| region::allocate(more, needs)) else {
            return Err(guarded.cached_that_may_help(needs.count));
        };
        if wanted == self.id {
            counts.hit += needs.count;
            counts.interleave_hit += if request.interleaved { needs.count } else { 0 };
        } else {
            counts.miss += needs.count;
        }
        *(if request.cpu_node == self.id { &mut counts.local } else { &mut counts.other }) += needs.count;
        Ok(FrameNumber(frame))
    }

    /// Grants `count` kept frames that are wanted of this node, if so many are kept, up to 32. `local`: to a CPU of
    /// this node.
    #[inline(always)]
    pub fn allocate_kept_in_word(&self, count: u64, local: bool) -> Option<FrameNumber> {
        let mut guarded = self.guarded.lock();
        let frame = guarded.memory.allocate_kept_in_word(count)?;
        guarded.counts.count_hit(count, local);
        Some(FrameNumber(frame))
    }

    /// The same for a whole block.
    #[inline]
    pub fn allocate_kept_block(&self, local: bool) -> Option<FrameNumber> {
        let mut guarded = self.guarded.lock();
        let frame = guarded.memory.allocate_kept_block()?;
        guarded.counts.count_hit(1 << BLOCK_ORDER, local);
        Some(FrameNumber(frame))
    }

    /// Takes back and keeps `count` frames of this block of the node, a power of two up to 32. `false`, with nothing
    /// changed, where they are not a grant of their own, so many are kept already, or the block was added after setup.
    #[inline(always)]
    pub fn keep_in_word(&self, block: KnownBlock<'m>, frame: FrameNumber, count: u64) -> bool {
        block.span.region == 0 && self.guarded.lock().memory.keep_in_word(block, frame.0, count)
    }

    /// The same for a whole block of this span of the node.
    #[inline]
    pub fn keep_block(&self, span: &'m Span, number: u64) -> bool {
        span.region == 0 && self.guarded.lock().memory.keep_block(span, number)
    }

    /// The block of this span of the node, if it is split.
    pub fn split_block(&self, span: &'m Span, number: u64) -> Option<KnownBlock<'m>> {
        let mut guarded = self.guarded.lock();
        let map = guarded.memory_of(span).blocks.map(span.extent().place(number))?;
        Some(KnownBlock { number, map, span })
    }

    /// Notes that frames which were to come from here came from another node.
    pub fn count_foreign(&self, frames: u64) {
        self.foreign.0.fetch_add(frames, Relaxed);
    }

    /// Takes a grant back that begins in this span of the node.
    #[inline(always)]
    pub fn free(&self, span: &'m Span, frame: FrameNumber, count: u64) -> Result<(), FreeError> {
        let mut guarded = self.guarded.lock();
        let result = guarded.memory_of(span).free(span, frame, count);
        result.map_err(|error| guarded.refuse(error))
    }

    /// Seals a grant that begins in this span of the node.
    pub fn seal(&self, span: &Span, frame: FrameNumber, count: u64) -> Result<(), FreeError> {
        self.guarded.lock().memory_of(span).seal(span.extent(), frame, count)
    }

    /// Takes a sealed grant back that begins in this span of the node.
    pub fn free_sealed(&self, span: &'m Span, frame: FrameNumber, count: u64) -> Result<(), FreeError> {
        let mut guarded = self.guarded.lock();
        // Behind what a cache holds, no grant goes on.
        let goes_on = count > 1 && span.frames.contains(FrameNumber(frame.0 + 1)) && {
            let behind = guarded.memory_of(span).state(span.extent(), frame.0 + 1);
            behind == FrameState::Inside
        };
        let freed = if !goes_on && guarded.is_held(frame.0) {
            Err(FreeError::AlreadyFree(frame))
        } else {
            guarded.memory_of(span).free_sealed(span, frame, count)
        };
        freed.map_err(|error| guarded.refuse(error))
    }

    /// Makes frames of this span of the node free; `false` when one of them was added before.
    pub fn add(&self, span: &Span, start: FrameNumber, end: FrameNumber) -> bool {
        let frames = start.0..end.0;
        let mut guarded = self.guarded.lock();
        let add =
            guarded.memory_of(span).may_add(span.extent(), &frames) && !guarded.is_cached(frames.clone());
        if add {
            guarded.memory_of(span).add(span.extent(), frames);
        }
        add
    }

    /// Withholds free frames of this span of the node; nothing is changed when one of them is not free.
    pub fn remove(&self, span: &Span, start: FrameNumber, end: FrameNumber) -> Result<(), RemoveError> {
        let frames = start.0..end.0;
        let mut guarded = self.guarded.lock();
        if let Err(frame) = guarded.memory_of(span).remove(span.extent(), frames.clone()) {
            return Err(match guarded.memory_of(span).state(span.extent(), frame) {
                FrameState::Withheld if guarded.is_held(frame) => RemoveError::Cached(FrameNumber(frame)),
                // A cache has had it, and whoever got it from there has sealed it, or is giving it back just now.
                FrameState::Withheld if guarded.is_cached(frame..frame + 1) => {
                    RemoveError::InUse(FrameNumber(frame))
                }
                FrameState::Withheld => RemoveError::NeverAdded(FrameNumber(frame)),
                _ => RemoveError::InUse(FrameNumber(frame)),
            });
        }
        Contents::chain(guarded.caches).for_each(|cache| cache.forget(frames.clone()));
        Ok(())
    }

    /// How many regions the node has besides the one of setup.
    pub fn added_regions(&self) -> usize {
        self.guarded.lock().more.len()
    }

    /// Takes a region in as the last of `slots`, to which the others move, and publishes where its frames are found before
    /// any of them can be granted. The number of slots is the region's own.
    pub fn take_in(
        &self,
        region: Region<'m>,
        slots: &'m mut [MaybeUninit<Region<'m>>],
        publish: impl FnOnce(),
    ) {
        let mut guarded = self.guarded.lock();
        let frames = region.span.frames.len_frames();
        let regions = core::mem::take(&mut guarded.more);
        guarded.more = region::moved(regions, region, slots);
        self.total.fetch_add(frames, Relaxed);
        publish();
    }

    /// A new cache of the node's frames, in this memory; `None` when that is too small.
    pub fn add_cache(&self, memory: &'m mut [MaybeUninit<u8>]) -> Option<CpuCache<'m>> {
        let mut guarded = self.guarded.lock();
        let cache = CpuCache::new(self.id, guarded.caches, memory)?;
        guarded.caches = Some(cache.contents);
        Some(cache)
    }

    /// Fills an empty cache of the node, if a frame is free outside the node's caches.
    pub fn fill(&self, cache: &mut CpuCache<'m>) -> Result<(), NotCached> {
        let mut guarded = self.guarded.lock();
        let own = guarded.drop_claim(cache);
        let own_in = |region| own.filter(|claim| claim.region == region).map(|claim| claim.place);
        let Guarded { memory, more, .. } = &mut *guarded;
        let first = memory.fill(cache, own_in(0)).map(|place| Claim { region: 0, place });
        let claim = first.or_else(|| {
            let mut added = (1..).zip(more.iter_mut());
            added.find_map(|(region, more)| {
                Some(Claim { region, place: more.memory.fill(cache, own_in(region))? })
            })
        });
        if let Some(claim) = claim {
            guarded.set_claimed(claim, true);
            cache.claim = Some(claim);
            return Ok(());
        }
        let any_cached = Contents::chain(guarded.caches).any(|cache| cache.len() > 0);
        Err(if any_cached { NotCached::AskNode } else { NotCached::NodeIsEmpty })
    }

    /// Takes a single frame of the node back into a cache; one that is full gives most of its frames back first, but for a frame
    /// that is a grant only: a refusal changes nothing.
    pub fn free_cached(
        &self,
        cache: &mut CpuCache<'m>,
        span: &'m Span,
        frame: FrameNumber,
        spans: &SpanIndex<'m>,
    ) -> Result<(), FreeError> {
        let mut guarded = self.guarded.lock();
        match guarded.memory_of(span).single(span.extent(), frame) {
            Ok(Some(map)) => {
                if cache.is_full() {
                    guarded.flush(cache, FLUSHED_FRAMES, spans);
                }
                cache.remember(KnownBlock { number: block_of(frame.0), map, span });
                cache.remember_word(frame.0, map.word_of(frame.0));
                if cache.put_in(frame.0, map.word_of(frame.0)) {
                    return Ok(());
                }
                Err(guarded.refuse(FreeError::AlreadyFree(frame)))
            }
            Ok(None) => Err(guarded.refuse(FreeError::InsideGrant(frame))),
            Err(error) => Err(guarded.refuse(error)),
        }
    }

    /// Gives back the `count` frames that have been in a cache of the node for longest.
    #[inline]
    pub fn flush(&self, cache: &mut CpuCache<'m>, count: usize, spans: &SpanIndex<'m>) {
        self.guarded.lock().flush(cache, count, spans);
    }

    pub fn stats(&self) -> NodeStats {
        let mut guarded = self.guarded.lock();
        let (counts, caches) = (guarded.counts, guarded.cache_counts());
        let sums = FreeSums::of(guarded.memories());
        NodeStats::new(self.total.load(Relaxed), sums, counts, self.foreign.0.load(Relaxed), caches)
    }

    pub fn free_by_order(&self) -> [u64; crate::ORDERS] {
        let mut guarded = self.guarded.lock();
        let mut frames = [0; crate::ORDERS];
        guarded.memories().for_each(|memory| memory.add_free_by_order(&mut frames));
        frames[0] += guarded.cache_counts().held;
        frames
    }
}

impl<'m> Guarded<'m> {
    /// The memory that has this span of the node.
    #[inline]
    fn memory_of(&mut self, span: &Span) -> &mut NodeMemory<'m> {
        self.region(span.region)
    }

    #[inline]
    fn region(&mut self, number: u32) -> &mut NodeMemory<'m> {
        match number.checked_sub(1) {
            None => &mut self.memory,
            Some(place) => self.added_memory(place),
        }
    }

    #[cold]
    #[inline(never)]
    fn added_memory(&mut self, place: u32) -> &mut NodeMemory<'m> {
        &mut self.more[place as usize].memory
    }

    /// All of the node's memory.
    fn memories(&mut self) -> impl Iterator<Item = &mut NodeMemory<'m>> {
        core::iter::once(&mut self.memory).chain(self.more.iter_mut().map(|region| &mut region.memory))
    }

    /// Counts a free that is refused. A frame that is withheld because a cache has it was freed before.
    #[cold]
    fn refuse(&mut self, error: FreeError) -> FreeError {
        self.counts.refused_frees += 1;
        match error {
            FreeError::NeverAdded(frame) if self.is_cached(frame.0..frame.0 + 1) => {
                FreeError::AlreadyFree(frame)
            }
            _ => error,
        }
    }

    /// Whether a cache has the frame now.
    fn is_held(&self, frame: u64) -> bool {
        Contents::chain(self.caches).any(|cache| cache.holds(frame))
    }

    /// Whether a cache has, or has had, one of these frames, which were just found to be withheld.
    fn is_cached(&self, frames: Range<u64>) -> bool {
        // Whoever withheld a frame for a cache has listed it before.
        fence(Acquire);
        Contents::chain(self.caches).any(|cache| cache.lists(frames.clone()))
    }

    /// Leaves the block that the cache was filled from to others, and tells which it was. It may be another's by now: it was whole
    /// meanwhile, or they share it for want of more.
    fn drop_claim(&mut self, cache: &mut CpuCache<'m>) -> Option<Claim> {
        let claim = cache.claim.take()?;
        self.set_claimed(claim, false);
        Some(claim)
    }

    fn set_claimed(&mut self, claim: Claim, claimed: bool) {
        self.region(claim.region).blocks.set_claimed(claim.place, claimed);
    }

    fn flush(&mut self, cache: &mut CpuCache<'m>, count: usize, spans: &SpanIndex<'m>) {
        // Of a block that was begun, and where it is.
        let mut begun: Option<(&Span, Taken<'m>)> = None;
        cache.flush(count, |frame, bits, count| {
            let same = begun.as_ref().is_some_and(|(span, taken)| {
                taken.number == block_of(frame) && span.frames.contains(FrameNumber(frame))
            });
            if !same {
                self.settle_taken(begun.take());
                begun = spans.find(frame).and_then(|span| {
                    let taken = self.memory_of(span).taken(span.extent(), frame)?;
                    Some((span, taken))
                });
            }
            if let Some((_, taken)) = &mut begun {
                taken.take_back(frame, bits, count);
            }
        });
        self.settle_taken(begun);
        if cache.is_empty() {
            // Perhaps for long: the CPU halts, or its frames are wanted.
            self.drop_claim(cache);
            cache.wanted = 1;
        }
    }

    fn settle_taken(&mut self, taken: Option<(&Span, Taken<'m>)>) {
        if let Some((span, taken)) = taken {
            self.memory_of(span).settle_taken(&taken);
        }
    }

    /// Frames in caches; 0 where they and what is free are fewer than so many together.
    #[cold]
    fn cached_that_may_help(&mut self, wanted: u64) -> u64 {
        let held = Contents::chain(self.caches).map(|cache| cache.len() as u64).sum();
        if held == 0 {
            return 0;
        }
        let free: u64 = self.memories().map(|memory| memory.free_frames()).sum();
        if free + held < wanted { 0 } else { held }
    }

    fn cache_counts(&self) -> CacheCounts {
        let mut counts = CacheCounts { held: 0, granted: 0 };
        for cache in Contents::chain(self.caches) {
            counts.held += cache.len() as u64;
            counts.granted += cache.granted();
        }
        counts
    }
}
