//! Taking a grant back, after making sure that it is one.
use core::ops::Range;

use units::FrameNumber;

use crate::MAX_ORDER;
use crate::blocks::{BLOCK_ORDER, Block, block_of, offset_in_block};
use crate::error::FreeError;
use crate::frame_map::{BLOCK_FRAMES, FrameMap, FrameState};
use crate::node_memory::{Extent, NodeMemory, Piece, edges, whole_blocks};
use crate::span_table::Span;

impl<'m> NodeMemory<'m> {
    /// Takes back a grant that lies in the span, if `count` frames from `frame` on are exactly that.
    pub fn free(&mut self, span: &'m Span, frame: FrameNumber, count: u64) -> Result<(), FreeError> {
        let extent = span.extent();
        if let Some(order) = chunk_order(frame.0, count)
            && (self.keep(span, frame.0, order)
                || (order < BLOCK_ORDER && self.free_chunk(extent, frame.0, order)))
        {
            return Ok(());
        }
        self.check_grant(extent, frame, count)?;
        self.release(extent, frame.0..frame.0 + count);
        Ok(())
    }

    /// The frame map that has a frame of a split block which is a grant of its own; else why it is none.
    pub fn single(&self, extent: Extent, frame: FrameNumber) -> Result<Option<&'m FrameMap>, FreeError> {
        self.check_grant(extent, frame, 1)?;
        Ok(self.blocks.map(extent.place(block_of(frame.0))))
    }

    /// Makes sure that these frames are exactly a grant.
    pub(crate) fn check_grant(
        &self,
        extent: Extent,
        frame: FrameNumber,
        count: u64,
    ) -> Result<(), FreeError> {
        match self.state(extent, frame.0) {
            FrameState::Free => return Err(FreeError::AlreadyFree(frame)),
            FrameState::Withheld if self.kept.holds(frame.0) => return Err(FreeError::AlreadyFree(frame)),
            FrameState::Withheld => return Err(FreeError::NeverAdded(frame)),
            FrameState::Inside => return Err(FreeError::InsideGrant(frame)),
            FrameState::Head => {}
        }
        let granted = self.grant_len(extent, frame.0);
        if granted == count { Ok(()) } else { Err(FreeError::WrongCount { frame, count, granted }) }
    }

    /// Whether these frames are a grant and an aligned chunk of one block, which alone tells so; a quicker look than
    /// [`NodeMemory::check_grant`].
    pub(crate) fn is_chunk_grant(&self, extent: Extent, frame: u64, count: u64) -> bool {
        let map = self.blocks.map(extent.place(block_of(frame)));
        match (chunk_order(frame, count), map) {
            (Some(order @ 0..BLOCK_ORDER), Some(map)) => map.is_granted_chunk(offset_in_block(frame), order),
            _ => false,
        }
    }

    /// Takes back an aligned chunk of one block, if it is a grant and that can be told from the block alone.
    fn free_chunk(&mut self, extent: Extent, frame: u64, order: u8) -> bool {
        let (place, first) = (extent.place(block_of(frame)), offset_in_block(frame));
        let Some(map) = self.blocks.map(place) else { return false };
        if !map.is_granted_chunk(first, order) || !map.withhold_chunk(first, order) {
            return false;
        }
        self.release_chunk(extent, frame, order);
        true
    }

    /// Makes an aligned chunk of one block free that is withheld.
    pub(crate) fn release_chunk(&mut self, extent: Extent, frame: u64, order: u8) {
        let number = block_of(frame);
        let (place, first) = (extent.place(number), offset_in_block(frame));
        let Some(map) = self.blocks.map(place) else { return };
        map.release_withheld_chunk(first, order);
        self.free += 1 << order;
        self.grown(extent, number, 1 << order, map.order_around(first));
    }

    /// Notes that so many free frames have come to those that a split block had; the largest of the chunks that they are in has
    /// this order.
    pub(crate) fn grown(&mut self, extent: Extent, number: u64, more: u16, around: u8) {
        let place = extent.place(number);
        let Block::Split { free, largest, .. } = self.blocks.get(place) else { return };
        let now_free = free + more;
        if around == BLOCK_ORDER {
            self.settle(extent, number, now_free);
        } else if free == 0 {
            self.relist(place, None, now_free, Some(around));
        } else {
            self.relist(place, Some(largest.order()), now_free, Some(largest.order().max(around)));
        }
    }

    /// Frames in the grant that begins with this frame. A step for each block that it reaches.
    fn grant_len(&self, extent: Extent, start: u64) -> u64 {
        let whole = matches!(self.blocks.get(extent.place(block_of(start))), Block::Head);
        let mut next = start + if whole { BLOCK_FRAMES.into() } else { 1 };
        while block_of(next) < extent.end {
            let place = extent.place(block_of(next));
            let offset = offset_in_block(next);
            let inside = match (self.blocks.map(place), self.blocks.get(place)) {
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

    fn release(&mut self, extent: Extent, frames: Range<u64>) {
        let blocks = whole_blocks(&frames);
        for number in blocks.clone() {
            self.blocks.set_quiet(extent.place(number));
        }
        let count = frames.end - frames.start;
        if let Some(order) = run_order(frames.start, count) {
            self.free += count;
            return self.release_run(extent, blocks.start, order);
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
        if let Some(map) = self.blocks.map(place) {
            map.release(piece.start..piece.end);
        }
        self.settle(extent, piece.number, free);
    }
}

/// The order of a run of frames that is an aligned chunk of up to a block.
fn chunk_order(start: u64, count: u64) -> Option<u8> {
    aligned_order(start, count).filter(|order| *order <= BLOCK_ORDER)
}

/// The order of a run of frames that is an aligned chunk of whole blocks.
fn run_order(start: u64, count: u64) -> Option<u8> {
    aligned_order(start, count).filter(|order| (BLOCK_ORDER..=MAX_ORDER).contains(order))
}

fn aligned_order(start: u64, count: u64) -> Option<u8> {
    (count.is_power_of_two() && start & (count - 1) == 0).then(|| count.trailing_zeros() as u8)
}
