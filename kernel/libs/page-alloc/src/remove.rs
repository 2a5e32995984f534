//! Taking free frames away from a node, so that it can no longer hand them out.
use core::ops::Range;

use crate::blocks::{BLOCK_ORDER, Block, block_of, offset_in_block};
use crate::buddy::blocks_in;
use crate::frame_map::{BLOCK_FRAMES, FrameMap};
use crate::node_memory::{Extent, NodeMemory, Piece, edges};

impl NodeMemory<'_> {
    /// Withholds frames of the extent, as if they had never been added. Where one is not free, nothing is changed and the
    /// lowest such is the error. Looks at each block that is not part of a free run, and at each run.
    pub fn remove(&mut self, extent: Extent, frames: Range<u64>) -> Result<(), u64> {
        self.put_kept_back();
        if let Some(frame) = self.first_not_free(extent, &frames) {
            return Err(frame);
        }
        self.free -= frames.end - frames.start;
        self.managed -= frames.end - frames.start;
        self.withdraw_blocks(extent, block_of(frames.start)..block_of(frames.end - 1) + 1);
        for piece in edges(&frames) {
            self.withhold_piece(extent, piece);
        }
        Ok(())
    }

    fn first_not_free(&self, extent: Extent, frames: &Range<u64>) -> Option<u64> {
        let mut next = frames.start;
        while next < frames.end {
            let number = block_of(next);
            if let Some((first, order)) = self.free_run_over(extent, number) {
                next = (first + blocks_in(order)) << BLOCK_ORDER;
                continue;
            }
            let Some(map) = self.blocks.map(extent.place(number)) else { return Some(next) };
            let base = number << BLOCK_ORDER;
            let end = frames.end.min(base + u64::from(BLOCK_FRAMES));
            if let Some(offset) = map.first_not_free(offset_in_block(next)..(end - base) as u16) {
                return Some(base + u64::from(offset));
            }
            next = end;
        }
        None
    }

    /// Withholds free frames of one block, which is in no free run. It stays split even when all of it is withheld: some of
    /// its frames may be so because a cache has them.
    fn withhold_piece(&mut self, extent: Extent, piece: Piece) {
        let place = extent.place(piece.number);
        let free = match self.blocks.get(place) {
            Block::Split { free, .. } => free,
            _ => {
                self.blocks.split(place, piece.number, &FrameMap::free());
                BLOCK_FRAMES
            }
        };
        if let Some(map) = self.blocks.map(place) {
            map.withhold(piece.start..piece.end);
        }
        self.settle(extent, piece.number, free - piece.len());
    }
}
