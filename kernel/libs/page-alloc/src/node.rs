//! One node: its lock, what that guards, and the counts that others write.
use core::mem::MaybeUninit;
use core::sync::atomic::Ordering::{Acquire, Relaxed};

use lock_api::{Mutex, RawMutex};
use units::{FrameNumber, NodeId};

use crate::atomic::{AtomicU64, fence};
use crate::cache::{CACHE_FRAMES, Contents, CpuCache};
use crate::error::FreeError;
use crate::node_memory::NodeMemory;
use crate::request::{Needs, Request};
use crate::span_table::{Span, SpanTable};
use crate::stats::{CacheCounts, Counts, NodeStats};

/// A node, at the start of its own metadata. Two cache lines apart from anything else, since processors fetch lines in
/// pairs.
#[repr(align(128))]
pub struct Node<'m, L> {
    guarded: Mutex<L, Guarded<'m>>,
    id: NodeId,
    fallback: &'m [NodeId],
    total: u64,
    first_span: Option<u32>,
    foreign: Remote,
}

struct Guarded<'m> {
    memory: NodeMemory<'m>,
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
            guarded: Mutex::new(Guarded { memory, counts: Counts::default(), caches: None }),
            id,
            fallback,
            total: spans.of_node(first_span).map(|span| span.frames.len_frames()).sum(),
            first_span,
            foreign: Remote(AtomicU64::new(0)),
        }
    }

    /// The nodes to try when this one is preferred, in order.
    pub fn fallback(&self) -> &'m [NodeId] {
        self.fallback
    }

    /// Grants frames of this node; without a fit tells how many frames its caches hold.
    pub fn allocate(
        &self,
        request: &Request,
        needs: &Needs,
        spans: &SpanTable<'_>,
    ) -> Result<FrameNumber, u64> {
        let mut guarded = self.guarded.lock();
        let Guarded { memory, counts, .. } = &mut *guarded;
        let Some(frame) = memory.allocate(needs, spans.of_node(self.first_span)) else {
            return Err(guarded.cache_counts().held);
        };
        *(if request.preferred == self.id { &mut counts.hit } else { &mut counts.miss }) += needs.count;
        *(if request.cpu_node == self.id { &mut counts.local } else { &mut counts.other }) += needs.count;
        Ok(FrameNumber(frame))
    }

    /// Notes that frames which were to come from here came from another node.
    pub fn count_foreign(&self, frames: u64) {
        self.foreign.0.fetch_add(frames, Relaxed);
    }

    /// Takes a grant back that begins in this span of the node.
    pub fn free(&self, span: &Span, frame: FrameNumber, count: u64) -> Result<(), FreeError> {
        let mut guarded = self.guarded.lock();
        let result = guarded.memory.free(span.extent(), frame, count);
        result.map_err(|error| guarded.refuse(error))
    }

    /// Makes frames of this span of the node free; `false` when one of them was added before.
    pub fn add(&self, span: &Span, start: FrameNumber, end: FrameNumber) -> bool {
        let mut guarded = self.guarded.lock();
        let cached = Contents::chain(guarded.caches).any(|cache| cache.lists(start.0..end.0));
        !cached && guarded.memory.add(span.extent(), start.0..end.0)
    }

    /// A new cache of the node's frames, in this memory; `None` when that is too small.
    pub fn add_cache(&self, memory: &'m mut [MaybeUninit<u8>]) -> Option<CpuCache<'m>> {
        let mut guarded = self.guarded.lock();
        let cache = CpuCache::new(self.id, guarded.caches, memory)?;
        guarded.caches = Some(cache.contents);
        Some(cache)
    }

    /// Fills an empty cache of the node; `false` when no frame is free.
    pub fn fill(&self, cache: &mut CpuCache<'m>) -> bool {
        self.guarded.lock().memory.fill(cache)
    }

    /// Takes a single frame of the node back into a cache; one that is full gives half of its frames back first, but for a frame
    /// that is a grant only: a refusal changes nothing.
    pub fn free_cached(
        &self,
        cache: &mut CpuCache<'m>,
        span: &Span,
        frame: FrameNumber,
        spans: &SpanTable<'_>,
    ) -> Result<(), FreeError> {
        let mut guarded = self.guarded.lock();
        match guarded.memory.single(span.extent(), frame) {
            Ok(Some(map)) => {
                if cache.is_full() {
                    guarded.flush(cache, CACHE_FRAMES / 2, spans);
                }
                cache.remember(frame.0, map);
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
    pub fn flush(&self, cache: &mut CpuCache<'m>, count: usize, spans: &SpanTable<'_>) {
        self.guarded.lock().flush(cache, count, spans);
    }

    pub fn stats(&self) -> NodeStats {
        let mut guarded = self.guarded.lock();
        let (counts, caches) = (guarded.counts, guarded.cache_counts());
        NodeStats::new(self.total, &mut guarded.memory, counts, self.foreign.0.load(Relaxed), caches)
    }

    pub fn free_by_order(&self) -> [u64; crate::ORDERS] {
        let mut guarded = self.guarded.lock();
        let mut frames = guarded.memory.free_by_order();
        frames[0] += guarded.cache_counts().held;
        frames
    }
}

impl<'m> Guarded<'m> {
    /// Counts a free that is refused. A frame that is withheld because a cache has it was freed before.
    #[cold]
    fn refuse(&mut self, error: FreeError) -> FreeError {
        self.counts.refused_frees += 1;
        // Whoever withheld the frame has listed it before.
        fence(Acquire);
        match error {
            FreeError::NeverAdded(frame)
                if Contents::chain(self.caches).any(|cache| cache.lists(frame.0..frame.0 + 1)) =>
            {
                FreeError::AlreadyFree(frame)
            }
            _ => error,
        }
    }

    fn flush(&mut self, cache: &mut CpuCache<'m>, count: usize, spans: &SpanTable<'_>) {
        cache.flush(count, |first, frames| {
            let frame = first + u64::from(frames.trailing_zeros());
            if let Some(span) = spans.find(frame) {
                self.memory.take_back(span.extent(), first, frames);
            }
        });
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
