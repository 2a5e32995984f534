//! Kernel-owned grants: an ordinary free refuses them.
//!
//! The first frame of a kernel-owned grant looks like one that was never added. An ordinary free of the grant, or of a part of
//! it, is therefore refused by the usual checks, and no other path needs to know about owners.
use units::FrameNumber;

use crate::blocks::{block_of, offset_in_block};
use crate::error::FreeError;
use crate::extent::Extent;
use crate::frame_map::BLOCK_FRAMES;
use crate::node_memory::NodeMemory;
use crate::owner::PageOwner;
use crate::span_table::Span;
use crate::word::FrameState;

impl<'m> NodeMemory<'m> {
    /// Makes the grant of `count` frames from `frame` on kernel-owned. Returns false, with nothing changed, if a wrong free of another
    /// CPU has taken the grant back at the same moment, which can happen only to a single frame.
    pub fn make_kernel_owned(&mut self, extent: Extent, frame: u64, count: u64) -> bool {
        if count == 1
            && let Some(map) = self.blocks.map(extent.slot(block_of(frame)))
        {
            return map.owner_of(frame).take_back(PageOwner::NOBODY)
                && map.word_of(frame).set_kernel_owned(frame, true);
        }
        self.set_kernel_owned(extent, frame, true)
    }

    /// Takes back a kernel-owned grant, if `count` frames from `frame` on are exactly that grant. No cache holds the frame.
    pub fn free_kernel_owned(
        &mut self,
        span: &'m Span,
        frame: FrameNumber,
        count: u64,
    ) -> Result<(), FreeError> {
        let extent = span.extent();
        match self.state(extent, frame.0) {
            FrameState::Free | FrameState::Withheld => return Err(FreeError::AlreadyFree(frame)),
            FrameState::Reserved if !self.starts_grant(extent, frame.0) && self.hot.contain(frame.0) => {
                return Err(FreeError::AlreadyFree(frame));
            }
            FrameState::Reserved => {}
            FrameState::Head | FrameState::Single => return Err(FreeError::NotKernelOwned(frame)),
            FrameState::Inside => return Err(FreeError::InsideGrant(frame)),
        }
        if !self.set_kernel_owned(extent, frame.0, false) {
            return Err(FreeError::NeverAdded(frame));
        }
        if count == 1 && self.state(extent, frame.0) == FrameState::Withheld {
            self.keep_or_release_single(span, frame.0);
            return Ok(());
        }
        let freed = self.free(span, frame, count, PageOwner::NOBODY);
        freed.map_err(|error| {
            let is_single = self.state(extent, frame.0) == FrameState::Withheld;
            self.set_kernel_owned(extent, frame.0, true);
            if is_single { FreeError::WrongCount { frame, count, granted: 1 } } else { error }
        })
    }

    /// Returns true if the block alone tells that a reserved frame is the first of several.
    fn starts_grant(&self, extent: Extent, frame: u64) -> bool {
        let next = offset_in_block(frame) + 1;
        let map = self.blocks.map(extent.slot(block_of(frame)));
        next < BLOCK_FRAMES && map.is_some_and(|map| map.is_inside(next))
    }

    /// Takes back a withheld frame, which the kernel owned. It is never a grant that others could free.
    fn keep_or_release_single(&mut self, span: &'m Span, frame: u64) {
        if !self.keep_hot_single(span, frame) {
            self.release_chunk(span.extent(), frame, 0);
        }
    }

    /// Reserves a withheld frame, which a cache has granted to the kernel.
    pub fn reserve_for_kernel(&mut self, extent: Extent, frame: u64) {
        self.set_kernel_owned(extent, frame, true);
    }

    /// Makes a grant kernel-owned, or undoes that. A single frame is withheld when it is not kernel-owned.
    fn set_kernel_owned(&mut self, extent: Extent, frame: u64, owned: bool) -> bool {
        let slot = extent.slot(block_of(frame));
        match self.blocks.map(slot) {
            Some(map) => map.word_of(frame).set_kernel_owned(frame, owned),
            None => offset_in_block(frame) == 0 && self.blocks.set_kernel_owned(slot, owned),
        }
    }
}
