//! Taking back all grants of an owner, in steps.
use lock_api::RawMutex;

use crate::allocator::PageAllocator;
use crate::blocks::{BLOCK_ORDER, Block, block_of};
use crate::buddy::blocks_in;
use crate::node_memory::NodeMemory;
use crate::owner::PageOwner;
use crate::span_table::Span;
use crate::word::{FrameState, bit_of, count_of};

/// The number of blocks that a step looks at, at most.
const BLOCKS_IN_STEP: usize = 64;

/// Takes back all grants of an owner. Each step returns how many frames it has made free.
///
/// A step holds the lock of a node. It looks at 64 frames of a split block, or at up to 64 blocks that are not split, and takes a grant
/// of several in a time that grows by a few instructions for each of its 2 MiB blocks.
pub struct TakeBack<'a, 'm, L> {
    allocator: &'a PageAllocator<'m, L>,
    owner: PageOwner,
    /// The index of the span, those of setup first. While spans are added, others only move up.
    span: usize,
    /// The next frame to look at, if it is in the span.
    next: u64,
}

impl<'m, L: RawMutex> PageAllocator<'m, L> {
    /// Begins to take back all grants of this owner, to whom nothing is granted meanwhile. Of nobody in particular, nothing is taken back.
    ///
    /// The whole takes a step for each 64 frames of the split blocks of all nodes, and for each 64 other blocks that are not part of one
    /// free run.
    pub fn take_back(&self, owner: PageOwner) -> TakeBack<'_, 'm, L> {
        TakeBack { allocator: self, owner, span: 0, next: 0 }
    }
}

impl<'m, L> TakeBack<'_, 'm, L> {
    /// Returns the span that is looked at.
    fn span(&self) -> Option<&'m Span> {
        let spans = &self.allocator.spans;
        let boot = spans.boot().spans();
        boot.get(self.span).or_else(|| spans.added()?.spans().get(self.span - boot.len()))
    }
}

impl<L: RawMutex> Iterator for TakeBack<'_, '_, L> {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        if self.owner == PageOwner::NOBODY {
            return None;
        }
        let span = self.span()?;
        let from = self.next.max(span.frames.start.0);
        let (taken, next) = self.allocator.node(span.node)?.take_back_some(span, from, self.owner);
        self.next = next;
        if next >= span.frames.end.0 {
            (self.span, self.next) = (self.span + 1, 0);
        }
        Some(taken)
    }
}

impl<'m> NodeMemory<'m> {
    /// Takes back grants of the owner that start in the span, from this frame on. Returns how many frames these were, and the next frame
    /// to look at.
    pub fn take_back_some(&mut self, span: &'m Span, from: u64, owner: PageOwner) -> (u64, u64) {
        let extent = span.extent();
        let mut number = block_of(from);
        for _ in 0..BLOCKS_IN_STEP {
            if !extent.contains(number) {
                break;
            }
            let first = number << BLOCK_ORDER;
            match self.blocks.get(extent.slot(number)) {
                Block::Free { order, .. } => number += blocks_in(order),
                Block::Split { .. } => return self.take_back_in_word(span, from.max(first), owner),
                Block::Head(its) if its == owner => return self.take_back_long(span, first),
                _ => number += 1,
            }
        }
        (0, number << BLOCK_ORDER)
    }

    /// Takes back what the owner has of a word of a split block, from this frame on, up to its first grant of several.
    fn take_back_in_word(&mut self, span: &'m Span, from: u64, owner: PageOwner) -> (u64, u64) {
        let extent = span.extent();
        let end = (from | 63) + 1;
        let Some(map) = self.blocks.map(extent.slot(block_of(from))) else { return (0, end) };
        let (mut singles, mut long) = (0, None);
        for frame in (from..end).filter(|frame| map.owner_of(*frame).is_owner(owner)) {
            if map.owner_of(frame).take_back(owner) {
                singles |= bit_of(frame);
            } else if self.state(extent, frame) == FrameState::Head {
                long = Some(frame);
                break;
            }
        }
        let mut taken = 0;
        if singles != 0
            && let Some(mut returned) = self.begin_return(extent, from)
        {
            taken = count_of(singles).into();
            returned.add(from, singles, taken as u16);
            self.end_return(&returned);
        }
        match long {
            None => (taken, end),
            Some(frame) => {
                let (more, next) = self.take_back_long(span, frame);
                (taken + more, next)
            }
        }
    }

    /// Takes back the grant of several that starts with this frame.
    fn take_back_long(&mut self, span: &'m Span, frame: u64) -> (u64, u64) {
        let extent = span.extent();
        let count = self.grant_len(extent, frame);
        self.release(extent, frame..frame + count);
        (count, frame + count)
    }
}
