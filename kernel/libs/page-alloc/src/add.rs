//! Adding frames that a node can grant.
use core::ops::Range;

use crate::blocks::Block;
use crate::extent::{Extent, edges, pieces, whole_blocks};
use crate::node_memory::NodeMemory;

impl NodeMemory<'_> {
    /// Returns true if all these frames of the extent are reserved.
    ///
    /// Above everything that was added before there is nothing to check. A boot that adds memory in ascending order therefore
    /// takes a step for each aligned run of blocks. Below that, each block is looked at.
    pub fn may_add(&mut self, extent: Extent, frames: &Range<u64>) -> bool {
        self.release_hot();
        frames.start >= self.added_end || self.is_reserved(extent, frames)
    }

    /// Makes reserved frames of the extent free.
    pub fn add(&mut self, extent: Extent, frames: Range<u64>) {
        self.managed += frames.end - frames.start;
        for piece in edges(&frames) {
            let slot = extent.slot(piece.number);
            if self.blocks.map(slot).is_none() {
                self.blocks.split(slot, piece.number, false);
            }
        }
        if frames.start < self.added_end {
            // Blocks that went offline piece by piece are still split.
            for number in whole_blocks(&frames) {
                self.blocks.set_quiet(extent.slot(number));
            }
        }
        self.added_end = self.added_end.max(frames.end);
        self.set_free(extent, frames);
    }

    fn is_reserved(&self, extent: Extent, frames: &Range<u64>) -> bool {
        pieces(frames.clone()).all(|piece| {
            let slot = extent.slot(piece.number);
            match (self.blocks.map(slot), self.blocks.get(slot)) {
                (Some(map), _) => map.is_reserved(piece.start..piece.end),
                (None, Block::Quiet) => self.free_run_over(extent, piece.number).is_none(),
                _ => false,
            }
        })
    }
}
