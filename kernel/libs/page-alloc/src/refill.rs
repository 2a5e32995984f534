//! Frames for caches, many at a time: taken out of the node's free ones, and returned to them.
use crate::blocks::{BLOCK_ORDER, Block, block_of, offset_in_block};
use crate::cached_frames::CachedFrames;
use crate::contents::CACHE_FRAMES;
use crate::extent::Extent;
use crate::frame_map::{BLOCK_FRAMES, FrameMap};
use crate::node_memory::NodeMemory;
use crate::take::Chunk;
use crate::word::count_of;

/// The number of frames that a refill takes at most, apart from those of a first word: the node's lock is not held for long.
const REFILL_FRAMES: u32 = if CACHE_FRAMES > 128 { 64 } else { 1 };

/// Words in a block.
const WORDS: u64 = BLOCK_FRAMES as u64 / 64;

/// The number of split blocks that are looked at for one that refills no other cache.
const LOOKED_AT: u32 = 4;

impl<'m> NodeMemory<'m> {
    /// Fills an empty cache with the free frames of some words that lie side by side, and returns the slot of their block. Returns
    /// `None` if no frame is free.
    ///
    /// A block that is split already comes first: that of slot `own`, from which the cache was refilled before, or one that refills
    /// no other cache. Each refill takes twice as many frames as the last, if the block has them: few for a CPU that needs few
    /// before it halts.
    #[inline]
    pub fn refill(&mut self, cache: &CachedFrames<'m>, own: Option<usize>) -> Option<usize> {
        if self.free == 0 { None } else { self.refill_from_free(cache, own) }
    }

    fn refill_from_free(&mut self, cache: &CachedFrames<'m>, own: Option<usize>) -> Option<usize> {
        let chunk = self.refill_chunk(own)?;
        let slot = chunk.extent.slot(chunk.extent.first);
        let free = match chunk.block {
            Block::Free { order, .. } => {
                self.take_start_of_run(chunk.extent, order, BLOCK_ORDER);
                self.blocks.split(slot, chunk.extent.first, true);
                BLOCK_FRAMES
            }
            _ => self.blocks.free_in(slot),
        };
        let map = self.blocks.map(slot)?;
        let first = chunk.frame() / 64;
        let available = |number: u64| map.word_of(number * 64).available();
        let (wanted, mut end, mut count) = (cache.wanted.get(), first, 0);
        while count < wanted && (end == first || end % WORDS != 0) {
            let more = count_of(available(end));
            if count + more > 64 {
                break;
            }
            count += more;
            end += 1;
        }
        // From the last word down: the cache grants first what comes last.
        for number in (first..end).rev() {
            let (owners, frames) = (map.owners_of(number * 64), available(number));
            if frames == 0 {
                continue;
            }
            cache.fill(number * 64, frames, owners);
            cache.remember_owners(number * 64, owners);
            map.word_of(number * 64).withhold_free(frames);
        }
        cache.wanted.set(REFILL_FRAMES.min(2 * wanted.max(count)));
        self.free -= u64::from(count);
        self.settle(chunk.extent, chunk.extent.first, free - count as u16);
        Some(slot)
    }

    /// Returns a free frame from which a cache is refilled. Releases the hot chunks only if nothing else is free.
    fn refill_chunk(&mut self, own: Option<usize>) -> Option<Chunk> {
        let own = own.filter(|slot| self.blocks.free_in(*slot) > 0).and_then(|slot| self.chunk_at(slot, 0));
        match own.or_else(|| self.find_unused()).or_else(|| self.find_chunk(0)) {
            None if self.release_hot() => self.find_chunk(0),
            found => found,
        }
    }

    /// Returns a free frame of a split block that refills no cache, or else of a whole block. Two CPUs that keep writing to the
    /// same line of a frame map slow each other down. Only a few split blocks are looked at.
    fn find_unused(&self) -> Option<Chunk> {
        let mut left = LOOKED_AT;
        for order in 0..BLOCK_ORDER {
            let mut next = self.lists.head(order);
            while let Some(index) = next {
                let Block::Split { largest, link, .. } = self.blocks.get(index.slot()) else { break };
                if !largest.refills_cache() {
                    return self.chunk_at(index.slot(), 0);
                }
                left -= 1;
                if left == 0 {
                    return self.find_chunk(BLOCK_ORDER);
                }
                next = link.next;
            }
        }
        self.find_chunk(BLOCK_ORDER)
    }

    /// Starts returning a cache's frames to the block of this frame.
    pub fn begin_return(&self, extent: Extent, frame: u64) -> Option<Returned<'m>> {
        let number = block_of(frame);
        let Block::Split { free, largest, .. } = self.blocks.get(extent.slot(number)) else { return None };
        let map = self.blocks.map(extent.slot(number))?;
        let around = if free == 0 { 0 } else { largest.order() };
        Some(Returned { extent, number, map, count: 0, around })
    }

    /// Updates the block's descriptor once all its frames were returned.
    pub fn end_return(&mut self, returned: &Returned<'_>) {
        let &Returned { extent, number, count, around, .. } = returned;
        self.free += u64::from(count);
        self.grow_free(extent, number, count, around);
    }
}

/// The frames that a cache returns to one block.
pub struct Returned<'m> {
    extent: Extent,
    pub number: u64,
    map: &'m FrameMap,
    /// The number of frames.
    count: u16,
    /// The order of the largest free chunk that contains some of them, or of another chunk of the block that is not smaller.
    around: u8,
}

impl Returned<'_> {
    /// Makes frames of the block free: `count` of the 64 around `first`, those whose bits are set.
    #[inline]
    pub fn add(&mut self, first: u64, bits: u64, count: u16) {
        let word = self.map.word_of(first);
        word.release(bits);
        self.count += count;
        let free = word.available();
        // Less than a whole word makes no chunk larger than order 5.
        if self.around < 5 || free == !0 {
            self.around = self.around.max(self.map.largest_order_at(offset_in_block(first), free));
        }
    }
}
