//! The part of a node that its lock guards: memory, counts and the list of caches.
use units::FrameNumber;

use crate::blocks::block_of;
use crate::cached_frames::{CachedFrames, RefillBlock};
use crate::contents::Contents;
use crate::error::FreeError;
use crate::node_memory::NodeMemory;
use crate::refill::Returned;
use crate::region::Region;
use crate::span_index::SpanIndex;
use crate::span_table::Span;
use crate::stats::{CacheCounts, Counts};

/// What a node's lock guards.
pub struct Guarded<'m> {
    pub memory: NodeMemory<'m>,
    /// Memory that was added after setup, in the order of the region numbers from 1 on.
    pub regions: &'m mut [Region<'m>],
    pub counts: Counts,
    /// The first of the caches of the node's frames.
    pub caches: Option<&'m Contents<'m>>,
}

impl<'m> Guarded<'m> {
    /// Returns the memory with the span's blocks.
    #[inline]
    pub fn memory_of(&mut self, span: &Span) -> &mut NodeMemory<'m> {
        self.region(span.region)
    }

    #[inline]
    fn region(&mut self, number: u32) -> &mut NodeMemory<'m> {
        match number.checked_sub(1) {
            None => &mut self.memory,
            Some(index) => self.added_region(index),
        }
    }

    #[cold]
    #[inline(never)]
    fn added_region(&mut self, index: u32) -> &mut NodeMemory<'m> {
        &mut self.regions[index as usize].memory
    }

    /// Returns all of the node's memory.
    pub fn memories(&mut self) -> impl Iterator<Item = &mut NodeMemory<'m>> {
        core::iter::once(&mut self.memory).chain(self.regions.iter_mut().map(|region| &mut region.memory))
    }

    /// Counts a refused free.
    #[cold]
    pub fn refuse(&mut self, error: FreeError) -> FreeError {
        self.counts.refused_frees += 1;
        error
    }

    /// Returns false if no frame is free outside the node's caches. May return true also then, if memory was added.
    #[inline(always)]
    pub fn may_refill(&self) -> bool {
        self.memory.free_frames() != 0 || !self.regions.is_empty()
    }

    /// Fills an empty cache of the node. Returns false if no frame is free outside the node's caches.
    pub fn refill(&mut self, cache: &CachedFrames<'m>) -> bool {
        let own = self.leave_refill_block(cache);
        let own_in = |region| own.filter(|block| block.region == region).map(|block| block.slot);
        let Self { memory, regions, .. } = self;
        let block = match memory.refill(cache, own_in(0)) {
            Some(slot) => Some(RefillBlock { region: 0, slot }),
            None => (1..).zip(regions.iter_mut()).find_map(|(number, region)| {
                Some(RefillBlock { region: number, slot: region.memory.refill(cache, own_in(number))? })
            }),
        };
        if let Some(block) = block {
            self.region(block.region).blocks.set_refills_cache(block.slot, true);
            cache.set_refill_block(block);
        }
        block.is_some()
    }

    /// Leaves the cache's refill block to other caches, and returns it. Another cache may use the block already: it was whole
    /// meanwhile, or there were too few blocks.
    fn leave_refill_block(&mut self, cache: &CachedFrames<'m>) -> Option<RefillBlock> {
        let block = cache.take_refill_block()?;
        self.region(block.region).blocks.set_refills_cache(block.slot, false);
        Some(block)
    }

    /// Returns the oldest frames of a cache to the node, as many as [`CachedFrames::flush`] takes at once.
    pub fn flush(&mut self, cache: &CachedFrames<'m>, spans: &SpanIndex<'m>) {
        // The block whose frames are being returned, and its span.
        let mut current: Option<(&Span, Returned<'m>)> = None;
        cache.flush(|frame, bits, count| {
            let same = current.as_ref().is_some_and(|(span, returned)| {
                returned.number == block_of(frame) && span.frames.contains(FrameNumber(frame))
            });
            if !same {
                self.end_return(current.take());
                current = spans.find(frame).and_then(|span| {
                    let returned = self.memory_of(span).begin_return(span.extent(), frame)?;
                    Some((span, returned))
                });
            }
            if let Some((_, returned)) = &mut current {
                returned.add(frame, bits, count);
            }
        });
        self.end_return(current);
        if cache.len() == 0 {
            // The CPU may not need frames for long: it halts, or another CPU needs them.
            self.leave_refill_block(cache);
            cache.wanted.set(1);
        }
    }

    fn end_return(&mut self, returned: Option<(&Span, Returned<'m>)>) {
        if let Some((span, returned)) = returned {
            self.memory_of(span).end_return(&returned);
        }
    }

    /// Returns the number of frames in the node's caches, or 0 if these and the free frames together are fewer than `wanted`.
    #[cold]
    pub fn cached_that_may_help(&mut self, wanted: u64) -> u64 {
        let held = Contents::chain(self.caches).map(|cache| cache.len() as u64).sum();
        if held == 0 {
            return 0;
        }
        let free: u64 = self.memories().map(|memory| memory.free_frames()).sum();
        if free + held < wanted { 0 } else { held }
    }

    /// Returns the sums over the node's caches.
    pub fn cache_counts(&self) -> CacheCounts {
        let mut counts = CacheCounts { held: 0, granted: 0 };
        for cache in Contents::chain(self.caches) {
            counts.held += cache.len() as u64;
            counts.granted += cache.granted();
        }
        counts
    }
}
