//! Frames for caches, many at a time: withheld from the node's free ones, and given back.
use crate::blocks::{BLOCK_ORDER, Block, block_of, offset_in_block};
use crate::cache::CpuCache;
use crate::frame_map::{BLOCK_FRAMES, FrameMap};
use crate::node_memory::{Extent, NodeMemory};

impl<'m> NodeMemory<'m> {
    /// Fills an empty cache with the free frames of a word, those of a block that is split already if there is one.
    /// `false` when none is free.
    pub fn fill(&mut self, cache: &mut CpuCache<'m>) -> bool {
        if self.free == 0 {
            return false;
        }
        let chunk = match self.find_chunk(0) {
            None if self.put_kept_back() => self.find_chunk(0),
            found => found,
        };
        let Some(chunk) = chunk else { return false };
        let place = chunk.extent.place(chunk.extent.first);
        let free = match chunk.block {
            Block::Free { order, .. } => {
                self.take_start_of_run(chunk.extent, order, BLOCK_ORDER);
                self.blocks.split(place, chunk.extent.first, &FrameMap::free());
                BLOCK_FRAMES
            }
            _ => self.blocks.free_in(place),
        };
        let Some(map) = self.blocks.map(place) else { return false };
        let word = map.word_of(chunk.frame());
        let frames = word.available();
        cache.fill(chunk.frame() / 64 * 64, frames, word);
        cache.remember(chunk.frame(), map);
        word.withhold(frames);
        self.free -= u64::from(frames.count_ones());
        self.settle(chunk.extent, chunk.extent.first, free - frames.count_ones() as u16);
        true
    }

    /// Makes frames free that a cache had: those of the 64 from `first` on that the bits are set for.
    pub fn take_back(&mut self, extent: Extent, first: u64, frames: u64) {
        let number = block_of(first);
        let place = extent.place(number);
        let Some(map) = self.blocks.map(place) else { return };
        map.word_of(first).give_back(frames);
        self.free += u64::from(frames.count_ones());
        let now_free = self.blocks.free_in(place) + frames.count_ones() as u16;
        self.grown(extent, number, now_free, map.largest_order_at(offset_in_block(first)));
    }
}
