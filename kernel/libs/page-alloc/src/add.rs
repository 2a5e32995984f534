//! Giving a node frames that it may hand out.
use core::ops::Range;

use crate::blocks::Block;
use crate::frame_map::FrameMap;
use crate::node_memory::{Extent, NodeMemory, edges, pieces};

impl NodeMemory<'_> {
    /// Makes withheld frames of the extent free; `false`, with nothing changed, when one of them is not withheld.
    ///
    /// Above all that was added before there is nothing to look at but the edges, so that a boot that adds memory in
    /// ascending order takes a step for each aligned run of blocks. Below that each block is looked at.
    pub fn add(&mut self, extent: Extent, frames: Range<u64>) -> bool {
        self.put_kept_back();
        if frames.start < self.added_end && !self.is_withheld(extent, &frames) {
            return false;
        }
        for piece in edges(&frames) {
            let place = extent.place(piece.number);
            if self.blocks.map(place).is_none() {
                self.blocks.split(place, piece.number, &FrameMap::withheld());
            }
        }
        self.added_end = self.added_end.max(frames.end);
        self.set_free(extent, frames);
        true
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
