//! Frames for caches, many at a time: withheld from the node's free ones, and given back.
use crate::blocks::{BLOCK_ORDER, Block, block_of, offset_in_block};
use crate::cache::{CACHE_FRAMES, CpuCache};
use crate::claim::Chunk;
use crate::frame_map::{BLOCK_FRAMES, FrameMap};
use crate::node_memory::{Extent, NodeMemory};

/// With how many frames a cache is filled at most, but for the last word's others. With these it is half full, so that there is
/// room for what is freed next.
const FILLED_FRAMES: u32 = if CACHE_FRAMES > 128 { CACHE_FRAMES as u32 / 2 - 63 } else { 1 };

/// Words of a block.
const WORDS: u64 = BLOCK_FRAMES as u64 / 64;

/// How many split blocks are looked at for one that is no other cache's.
const LOOKED_AT: u32 = 4;

impl<'m> NodeMemory<'m> {
    /// Fills an empty cache with free frames of some words that lie side by side, those of a block that is split already if there
    /// is one: of that with the place `own`, which was the cache's, or best of one that is no other's. Each time with twice as
    /// many, if the block has them: few for a CPU that wants few before it halts. Tells the block's place; `None` when no frame is
    /// free.
    pub fn fill(&mut self, cache: &mut CpuCache<'m>, own: Option<usize>) -> Option<usize> {
        if self.free == 0 {
            return None;
        }
        let found =
            own.filter(|place| self.blocks.free_in(*place) > 0).and_then(|place| self.chunk_at(place, 0));
        let chunk = match found.or_else(|| self.find_unclaimed()).or_else(|| self.find_chunk(0)) {
            None if self.put_kept_back() => self.find_chunk(0),
            found => found,
        }?;
        let place = chunk.extent.place(chunk.extent.first);
        let free = match chunk.block {
            Block::Free { order, .. } => {
                self.take_start_of_run(chunk.extent, order, BLOCK_ORDER);
                self.blocks.split(place, chunk.extent.first, &FrameMap::free());
                BLOCK_FRAMES
            }
            _ => self.blocks.free_in(place),
        };
        let map = self.blocks.map(place)?;
        let first = chunk.frame() / 64;
        let available = |number: u64| map.word_of(number * 64).available();
        let (mut end, mut count) = (first, 0);
        while count < cache.wanted && (end == first || end % WORDS != 0) {
            count += available(end).count_ones();
            end += 1;
        }
        // From the last, for what comes last is handed out first.
        for number in (first..end).rev().filter(|number| available(*number) != 0) {
            let (word, frames) = (map.word_of(number * 64), available(number));
            cache.fill(number * 64, frames, word);
            cache.remember_word(number * 64, word);
            word.withhold(frames);
        }
        cache.wanted = FILLED_FRAMES.min(2 * cache.wanted.max(count));
        self.free -= u64::from(count);
        self.settle(chunk.extent, chunk.extent.first, free - count as u16);
        Some(place)
    }

    /// A free frame in a split block that is no cache's, or else in a whole one: two CPUs that write to the same line of a frame
    /// map again and again slow each other down. Only a few split blocks are looked at.
    fn find_unclaimed(&self) -> Option<Chunk> {
        let mut left = LOOKED_AT;
        for order in 0..BLOCK_ORDER {
            let mut next = self.lists.head(order);
            while let Some(index) = next {
                let Block::Split { largest, link, .. } = self.blocks.get(index.place()) else { break };
                if !largest.is_claimed() {
                    return self.chunk_at(index.place(), 0);
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

    /// Notes what was taken back of a block.
    pub fn settle_taken(&mut self, taken: &Taken<'_>) {
        let &Taken { extent, number, count, around, .. } = taken;
        self.free += u64::from(count);
        self.grown(extent, number, count, around);
    }

    /// The block that holds this frame, which a cache had, when nothing was taken back yet.
    pub fn taken(&self, extent: Extent, frame: u64) -> Option<Taken<'m>> {
        let number = block_of(frame);
        let Block::Split { free, largest, .. } = self.blocks.get(extent.place(number)) else { return None };
        let map = self.blocks.map(extent.place(number))?;
        let around = if free == 0 { 0 } else { largest.order() };
        Some(Taken { extent, number, map, count: 0, around })
    }
}

/// What a cache gives back of a block.
pub struct Taken<'m> {
    extent: Extent,
    pub number: u64,
    map: &'m FrameMap,
    /// Frames.
    count: u16,
    /// The order of the largest free chunk that some of them are in, or of another of the block's that is not smaller.
    around: u8,
}

impl Taken<'_> {
    /// Makes frames of the block free: `count` of the 64 around `first`, which the bits are set for.
    #[inline]
    pub fn take_back(&mut self, first: u64, bits: u64, count: u16) {
        let word = self.map.word_of(first);
        word.give_back(bits);
        self.count += count;
        let free = word.available();
        // Less than a whole word makes no larger chunk than order 5.
        if self.around < 5 || free == !0 {
            self.around = self.around.max(self.map.largest_order_at(offset_in_block(first), free));
        }
    }
}
