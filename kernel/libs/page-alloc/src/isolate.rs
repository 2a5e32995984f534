//! Taking free frames offline, so that the node cannot grant them.
use core::ops::Range;

use crate::blocks::{BLOCK_ORDER, block_of, offset_in_block};
use crate::buddy::blocks_in;
use crate::extent::{Extent, Piece, edges};
use crate::frame_map::BLOCK_FRAMES;
use crate::node_memory::NodeMemory;

impl NodeMemory<'_> {
    /// Takes frames of the extent offline, as if they had never been added.
    ///
    /// Looks at each block that is not part of a free run, and at each run.
    ///
    /// # Errors
    /// The lowest frame that is not free. Nothing was changed.
    pub fn isolate(&mut self, extent: Extent, frames: Range<u64>) -> Result<(), u64> {
        self.release_hot();
        if let Some(frame) = self.first_not_free(extent, &frames) {
            return Err(frame);
        }
        self.free -= frames.end - frames.start;
        self.managed -= frames.end - frames.start;
        self.withdraw_blocks(extent, block_of(frames.start)..block_of(frames.end - 1) + 1);
        for piece in edges(&frames) {
            self.reserve_piece(extent, piece);
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
            let Some(map) = self.blocks.map(extent.slot(number)) else { return Some(next) };
            let base = number << BLOCK_ORDER;
            let end = frames.end.min(base + u64::from(BLOCK_FRAMES));
            if let Some(offset) = map.first_not_free(offset_in_block(next)..(end - base) as u16) {
                return Some(base + u64::from(offset));
            }
            next = end;
        }
        None
    }

    /// Reserves free frames of one block that is in no free run. The block stays split even if all of it is reserved: some of
    /// its frames may be in a cache.
    fn reserve_piece(&mut self, extent: Extent, piece: Piece) {
        let slot = extent.slot(piece.number);
        let free = self.blocks.split_if_whole(slot, piece.number);
        if let Some(map) = self.blocks.map(slot) {
            map.reserve(piece.start..piece.end);
        }
        self.settle(extent, piece.number, free - piece.len());
    }
}
