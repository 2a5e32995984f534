//! Giving a node frames that it may hand out.
use core::ops::Range;

use crate::blocks::Block;
use crate::frame_map::FrameMap;
use crate::node_memory::{Extent, NodeMemory, edges, pieces, whole_blocks};

impl NodeMemory<'_> {
    /// Whether all of these frames of the extent are withheld.
    ///
    /// Above all that was added before there is nothing to look at, so that a boot that adds memory in ascending order
    /// takes a step for each aligned run of blocks. Below that each block is looked at.
    pub fn may_add(&mut self, extent: Extent, frames: &Range<u64>) -> bool {
        self.put_kept_back();
        frames.start >= self.added_end || self.is_withheld(extent, frames)
    }

    /// Makes withheld frames of the extent free.
    pub fn add(&mut self, extent: Extent, frames: Range<u64>) {
        self.managed += frames.end - frames.start;
        for piece in edges(&frames) {
            let place = extent.place(piece.number);
            if self.blocks.map(place).is_none() {
                self.blocks.split(place, piece.number, &FrameMap::withheld());
            }
        }
        if frames.start < self.added_end {
            // Blocks that were withheld piece by piece are still split.
            for number in whole_blocks(&frames) {
                self.blocks.set_quiet(extent.place(number));
            }
        }
        self.added_end = self.added_end.max(frames.end);
        self.set_free(extent, frames);
    }

    fn is_withheld(&self, extent: Extent, frames: &Range<u64>) -> bool {
        pieces(frames.clone()).all(|piece| {
            let place = extent.place(piece.number);
            match (self.blocks.map(place), self.blocks.get(place)) {
                (Some(map), _) => map.all_withheld(piece.start..piece.end),
                (None, Block::Quiet) => self.free_run_over(extent, piece.number).is_none(),
                _ => false,
            }
        })
    }
}
