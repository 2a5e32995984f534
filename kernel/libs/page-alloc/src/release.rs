//! Taking a grant back, after checking that it is one.
use core::ops::Range;

use units::FrameNumber;

use crate::MAX_ORDER;
use crate::blocks::{BLOCK_ORDER, Block, block_of, offset_in_block};
use crate::error::FreeError;
use crate::extent::{Extent, Piece, edges, whole_blocks};
use crate::frame_map::{BLOCK_FRAMES, FrameMap};
use crate::node_memory::NodeMemory;
use crate::owner::PageOwner;
use crate::span_table::Span;
use crate::word::FrameState;

impl<'m> NodeMemory<'m> {
    /// Takes back a grant that lies in the span, if `count` frames from `frame` on are exactly that grant, and this owner's.
    pub fn free(
        &mut self,
        span: &'m Span,
        frame: FrameNumber,
        count: u64,
        owner: PageOwner,
    ) -> Result<(), FreeError> {
        let extent = span.extent();
        if let Some(order) = chunk_order(frame.0, count)
            && (self.keep_hot(span, frame.0, order, owner)
                || (order < BLOCK_ORDER && self.free_chunk(extent, frame.0, order, owner)))
        {
            return Ok(());
        }
        self.check_grant(extent, frame, count, owner)?;
        if count == 1 {
            // It was none a moment ago: a cache had it, and has granted it since.
            return Err(FreeError::AlreadyFree(frame));
        }
        self.release(extent, frame.0..frame.0 + count);
        Ok(())
    }

    /// Returns the frame map of a frame that is a grant of its own in a split block, and this owner's, or the reason why it is not.
    pub fn single(
        &self,
        extent: Extent,
        frame: FrameNumber,
        owner: PageOwner,
    ) -> Result<Option<&'m FrameMap>, FreeError> {
        self.check_grant(extent, frame, 1, owner)?;
        Ok(self.blocks.map(extent.slot(block_of(frame.0))))
    }

    /// Checks that these frames are exactly a grant, and this owner's.
    pub(crate) fn check_grant(
        &self,
        extent: Extent,
        frame: FrameNumber,
        count: u64,
        owner: PageOwner,
    ) -> Result<(), FreeError> {
        match self.state(extent, frame.0) {
            FrameState::Free => return Err(FreeError::AlreadyFree(frame)),
            FrameState::Withheld => return Err(FreeError::AlreadyFree(frame)),
            FrameState::Reserved if self.hot.contain(frame.0) => return Err(FreeError::AlreadyFree(frame)),
            FrameState::Reserved => return Err(FreeError::NeverAdded(frame)),
            FrameState::Inside => return Err(FreeError::InsideGrant(frame)),
            FrameState::Single | FrameState::Head => {}
        }
        if !self.is_owner(extent, frame.0, owner) {
            return Err(FreeError::NotTheOwner(frame));
        }
        let granted = self.grant_len(extent, frame.0);
        if granted == count { Ok(()) } else { Err(FreeError::WrongCount { frame, count, granted }) }
    }

    /// Returns true if this is the owner of the grant that starts with this frame.
    fn is_owner(&self, extent: Extent, frame: u64, owner: PageOwner) -> bool {
        let slot = extent.slot(block_of(frame));
        match self.blocks.map(slot) {
            Some(map) => map.owner_of(frame).is_owner(owner),
            None => matches!(self.blocks.get(slot), Block::Head(its) if its == owner),
        }
    }

    /// Takes back an aligned chunk of one block, if the block alone can tell that the chunk is a grant of the owner.
    fn free_chunk(&mut self, extent: Extent, frame: u64, order: u8, owner: PageOwner) -> bool {
        let (slot, first) = (extent.slot(block_of(frame)), offset_in_block(frame));
        let Some(map) = self.blocks.map(slot) else { return false };
        if !map.take_back_chunk(first, order, owner) {
            return false;
        }
        self.release_chunk(extent, frame, order);
        true
    }

    /// Makes an aligned chunk of one block free, which is reserved or withheld.
    pub(crate) fn release_chunk(&mut self, extent: Extent, frame: u64, order: u8) {
        let number = block_of(frame);
        let (slot, first) = (extent.slot(number), offset_in_block(frame));
        let Some(map) = self.blocks.map(slot) else { return };
        map.release_chunk(first, order);
        self.free += 1 << order;
        self.grow_free(extent, number, 1 << order, map.order_around(first));
    }

    /// Adds `more` free frames to those of a split block. `around` is the order of the largest chunk that contains them.
    pub(crate) fn grow_free(&mut self, extent: Extent, number: u64, more: u16, around: u8) {
        let slot = extent.slot(number);
        let Block::Split { free, largest, .. } = self.blocks.get(slot) else { return };
        let now_free = free + more;
        if around == BLOCK_ORDER {
            self.settle(extent, number, now_free);
        } else if free == 0 {
            self.relist(slot, None, now_free, Some(around));
        } else {
            self.relist(slot, Some(largest.order()), now_free, Some(largest.order().max(around)));
        }
    }

    /// Returns the length of the grant that starts with this frame. A step for each block of the grant.
    pub(crate) fn grant_len(&self, extent: Extent, start: u64) -> u64 {
        let whole = matches!(self.blocks.get(extent.slot(block_of(start))), Block::Head(_));
        let mut next = start + if whole { BLOCK_FRAMES.into() } else { 1 };
        while block_of(next) < extent.end {
            let slot = extent.slot(block_of(next));
            let offset = offset_in_block(next);
            let inside = match (self.blocks.map(slot), self.blocks.get(slot)) {
                (Some(map), _) => map.inside_from(offset),
                (None, Block::Inside) => BLOCK_FRAMES,
                _ => 0,
            };
            next += u64::from(inside);
            if offset + inside < BLOCK_FRAMES {
                break;
            }
        }
        next - start
    }

    /// Makes the frames of a grant free.
    pub(crate) fn release(&mut self, extent: Extent, frames: Range<u64>) {
        let blocks = whole_blocks(&frames);
        for number in blocks.clone() {
            self.blocks.set_quiet(extent.slot(number));
        }
        let count = frames.end - frames.start;
        if let Some(order) = run_order(frames.start, count) {
            self.free += count;
            return self.release_run(extent, blocks.start, order);
        }
        self.set_free(extent, frames);
    }

    /// Makes frames free: whole blocks that are `Quiet`, and parts of split blocks at the edges.
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

    /// Makes frames of one block free: all of a `Quiet` one, or granted or reserved ones of a split one.
    fn set_piece_free(&mut self, extent: Extent, piece: Piece) {
        let slot = extent.slot(piece.number);
        let free = self.blocks.free_in(slot) + piece.len();
        if let Some(map) = self.blocks.map(slot) {
            map.release(piece.start..piece.end);
        }
        self.settle(extent, piece.number, free);
    }
}

/// Returns the order of a run of frames, if it is an aligned chunk of up to a block.
pub(crate) fn chunk_order(start: u64, count: u64) -> Option<u8> {
    aligned_order(start, count).filter(|order| *order <= BLOCK_ORDER)
}

/// Returns the order of a run of frames, if it is an aligned chunk of whole blocks.
fn run_order(start: u64, count: u64) -> Option<u8> {
    aligned_order(start, count).filter(|order| (BLOCK_ORDER..=MAX_ORDER).contains(order))
}

fn aligned_order(start: u64, count: u64) -> Option<u8> {
    (count.is_power_of_two() && start & (count - 1) == 0).then(|| count.trailing_zeros() as u8)
}
