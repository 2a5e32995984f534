//! Sealed grants: those that only their owner frees, however wrong the frees of others are.
//!
//! A sealed grant's first frame looks as one that was never added. So whoever frees the grant or a part of it is refused as always,
//! and no other path has to know of seals.
use lock_api::RawMutex;
use units::FrameNumber;

use crate::allocator::PageAllocator;
use crate::blocks::{block_of, offset_in_block};
use crate::error::FreeError;
use crate::frame_map::FrameState;
use crate::node::Node;
use crate::node_memory::{Extent, NodeMemory};
use crate::span_table::Span;

impl<'m, L: RawMutex> PageAllocator<'m, L> {
    /// Seals what one call of [`PageAllocator::allocate`] granted: from then on [`PageAllocator::free`] and
    /// [`PageAllocator::free_cached`] refuse it as they do frames that were never handed out. For who shares the allocator with
    /// others that it does not trust. Where it came from a cache, the refusal may call it free instead.
    ///
    /// # Errors
    /// As for [`PageAllocator::free`]: it is not a grant of this count, or no longer one.
    pub fn seal(&self, frame: FrameNumber, count: u64) -> Result<(), FreeError> {
        let (span, node) = self.place_of(frame)?;
        node.seal(span, frame, count)
    }

    /// Takes back a grant that was sealed; only who sealed it may call this. A single frame that was never handed out cannot be told
    /// from a sealed one.
    ///
    /// # Errors
    /// As for [`PageAllocator::free`], and [`FreeError::NotSealed`].
    pub fn free_sealed(&self, frame: FrameNumber, count: u64) -> Result<(), FreeError> {
        let (span, node) = self.place_of(frame).inspect_err(|_| self.count_outside())?;
        node.free_sealed(span, frame, count)
    }

    fn place_of(&self, frame: FrameNumber) -> Result<(&'m Span, &'m Node<'m, L>), FreeError> {
        let place = self.spans.find(frame.0).and_then(|span| Some((span, self.node(span.node)?)));
        place.ok_or(FreeError::NotMemory(frame))
    }
}

impl<'m> NodeMemory<'m> {
    /// Seals a grant that lies in the extent, if `count` frames from `frame` on are exactly that.
    pub fn seal(&mut self, extent: Extent, frame: FrameNumber, count: u64) -> Result<(), FreeError> {
        if !self.is_chunk_grant(extent, frame.0, count) {
            self.check_grant(extent, frame, count)?;
        }
        // A cache may just have taken it back.
        if self.set_sealed(extent, frame.0, true) { Ok(()) } else { Err(FreeError::AlreadyFree(frame)) }
    }

    /// Takes back a sealed grant, which no cache holds.
    pub fn free_sealed(&mut self, span: &'m Span, frame: FrameNumber, count: u64) -> Result<(), FreeError> {
        let extent = span.extent();
        match self.state(extent, frame.0) {
            FrameState::Free => return Err(FreeError::AlreadyFree(frame)),
            FrameState::Withheld if self.kept.holds(frame.0) => return Err(FreeError::AlreadyFree(frame)),
            FrameState::Withheld => {}
            FrameState::Head => return Err(FreeError::NotSealed(frame)),
            FrameState::Inside => return Err(FreeError::InsideGrant(frame)),
        }
        if !self.set_sealed(extent, frame.0, false) {
            return Err(FreeError::NeverAdded(frame));
        }
        let freed = self.free(span, frame, count);
        if freed.is_err() {
            self.set_sealed(extent, frame.0, true);
        }
        freed
    }

    /// Seals the grant that begins with the frame, or unseals it; `false`, with nothing changed, where it is so already.
    fn set_sealed(&mut self, extent: Extent, frame: u64, sealed: bool) -> bool {
        let place = extent.place(block_of(frame));
        match self.blocks.map(place) {
            Some(map) => map.word_of(frame).set_sealed(frame, sealed),
            None => offset_in_block(frame) == 0 && self.blocks.set_sealed(place, sealed),
        }
    }
}
