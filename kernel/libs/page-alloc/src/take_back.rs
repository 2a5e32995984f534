//! Taking back all grants of an owner, in steps.
use lock_api::RawMutex;

use crate::allocator::PageAllocator;
use crate::blocks::block_of;
use crate::grant_step::{Found, Step};
use crate::grant_walk::GrantWalk;
use crate::node_memory::NodeMemory;
use crate::owner::PageOwner;
use crate::span_table::Span;
use crate::word::{FrameState, bit_of, count_of};

/// Takes back all grants of an owner. Each step returns how many frames it has made free.
///
/// A step holds the lock of a node. It looks at 64 frames of a split block, or at up to 64 blocks that are not split, and takes a grant
/// of several in a time that grows by a few instructions for each of its 2 MiB blocks.
pub struct TakeBack<'a, 'm, L>(GrantWalk<'a, 'm, L>);

impl<'m, L: RawMutex> PageAllocator<'m, L> {
    /// Begins to take back all grants of this owner, to whom nothing is granted meanwhile. Of nobody in particular, nothing is taken back.
    ///
    /// The whole takes a step for each 64 frames of the split blocks of all nodes, and for each 64 other blocks that are not part of one
    /// free run.
    pub fn take_back(&self, owner: PageOwner) -> TakeBack<'_, 'm, L> {
        TakeBack(GrantWalk::new(self, owner))
    }
}

impl<L: RawMutex> Iterator for TakeBack<'_, '_, L> {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        if self.0.owner() == PageOwner::NOBODY {
            return None;
        }
        let step = self.0.step(|allocator, step| Some(allocator.node(step.span.node)?.take_back_some(step)));
        step.map(|(_, taken)| taken)
    }
}

impl<'m> NodeMemory<'m> {
    /// Takes back grants that a step looks at. Returns how many frames these were, and the next frame to look at.
    pub fn take_back_some(&mut self, step: Step<'m>) -> (u64, u64) {
        let Step { span, owner, .. } = step;
        match self.find_grants(step) {
            Found::Word(from) => self.take_back_in_word(span, from, owner),
            Found::Grant(first) => self.take_back_long(span, first),
            Found::Nothing(next) => (0, next),
        }
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
