//! Taking a grant back, after making sure that it is one.
use core::ops::Range;

use units::FrameNumber;

use crate::blocks::{Block, block_of, offset_in_block};
use crate::error::FreeError;
use crate::frame_map::{BLOCK_FRAMES, FrameState};
use crate::node_memory::{Extent, NodeMemory, Piece, edges, whole_blocks};

impl NodeMemory<'_> {
    /// Takes back a grant that lies in the extent, if `count` frames from `frame` on are exactly that.
    pub fn free(&mut self, extent: Extent, frame: FrameNumber, count: u64) -> Result<(), FreeError> {
        match self.state(extent, frame.0) {
            FrameState::Free => return Err(FreeError::AlreadyFree(frame)),
            FrameState::Withheld => return Err(FreeError::NeverAdded(frame)),
            FrameState::Inside => return Err(FreeError::InsideGrant(frame)),
            FrameState::Head => {}
        }
        let granted = self.grant_len(extent, frame.0);
        if granted != count {
            return Err(FreeError::WrongCount { frame, count, granted });
        }
        self.release(extent, frame.0..frame.0 + count);
        Ok(())
    }

    /// Frames in the grant that begins with this frame. A step for each block that it reaches.
    fn grant_len(&self, extent: Extent, start: u64) -> u64 {
        let mut next = start + 1;
        while block_of(next) < extent.end {
            let place = extent.place(block_of(next));
            let offset = offset_in_block(next);
            let inside = match (self.blocks.map(place), self.blocks.get(place)) {
                (Some(map), _) => map.inside_from(offset),
                (None, Block::Inside) => BLOCK_FRAMES,
                // The grant's own first block: `next` is that block's second frame.
                (None, Block::Head) if offset != 0 => BLOCK_FRAMES - offset,
                _ => 0,
            };
            next += u64::from(inside);
            if offset + inside < BLOCK_FRAMES {
                break;
            }
        }
        next - start
    }

    fn release(&mut self, extent: Extent, frames: Range<u64>) {
        for number in whole_blocks(&frames) {
            self.blocks.set_quiet(extent.place(number));
        }
        self.set_free(extent, frames);
    }

    /// Makes frames free that are not: whole blocks that are `Quiet`, and parts of split blocks at the edges.
    pub(crate) fn set_free(&mut self, extent: Extent, frames: Range<u64>) {
        self.free += frames.end - frames.start;
        if let Some(piece) = Piece::of_one_block(&frames) {
            return self.set_piece_free(extent, piece);
        }
        for piece in edges(&frames) {
            self.set_piece_free(extent, piece);
        }
        self.release_blocks(extent, whole_blocks(&frames));
    }

    /// Makes frames of one block free: all of a `Quiet` one, or granted or withheld ones of a split one.
    fn set_piece_free(&mut self, extent: Extent, piece: Piece) {
        let place = extent.place(piece.number);
        let free = self.blocks.free_in(place) + piece.len();
        if let Some(map) = self.blocks.map_mut(place) {
            map.release(piece.start..piece.end);
        }
        self.settle(extent, piece.number, free);
    }
}
