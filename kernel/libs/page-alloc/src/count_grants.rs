//! Counting the frames that are granted to an owner, by node, in steps.
use lock_api::RawMutex;
use units::NodeId;

use crate::allocator::PageAllocator;
use crate::blocks::block_of;
use crate::grant_step::{Found, Step};
use crate::grant_walk::GrantWalk;
use crate::node_memory::NodeMemory;
use crate::owner::PageOwner;
use crate::span_table::Span;
use crate::word::FrameState;

/// Counts the frames of an owner. Each step returns a node, and how many frames it has found there.
///
/// A step holds the lock of a node. It looks at 64 frames of a split block, or at up to 64 blocks that are not split, or at one grant of
/// several frames. What is granted or freed meanwhile may be counted or not.
pub struct CountGrants<'a, 'm, L>(GrantWalk<'a, 'm, L>);

impl<'m, L: RawMutex> PageAllocator<'m, L> {
    /// Begins to count the frames that are granted to this owner. Of nobody in particular and of the kernel, nothing is counted.
    ///
    /// The whole takes a step for each 64 frames of the split blocks of all nodes, and for each 64 other blocks that are not part of one
    /// free run.
    pub fn count_grants(&self, owner: PageOwner) -> CountGrants<'_, 'm, L> {
        CountGrants(GrantWalk::new(self, owner))
    }
}

impl<L: RawMutex> Iterator for CountGrants<'_, '_, L> {
    type Item = (NodeId, u64);

    fn next(&mut self) -> Option<(NodeId, u64)> {
        if self.0.owner().stored() == PageOwner::NOBODY.stored() {
            return None;
        }
        self.0.step(|allocator, step| Some(allocator.node(step.span.node)?.count_some(step)))
    }
}

impl<'m> NodeMemory<'m> {
    /// Counts frames of grants that a step looks at. Returns how many these are, and the next frame to look at.
    pub fn count_some(&self, step: Step<'m>) -> (u64, u64) {
        let Step { span, owner, .. } = step;
        match self.find_grants(step) {
            Found::Word(from) => self.count_in_word(span, from, owner),
            Found::Grant(first) => {
                let count = self.grant_len(span.extent(), first);
                (count, first + count)
            }
            Found::Nothing(next) => (0, next),
        }
    }

    /// Counts what the owner has of a word of a split block, from this frame on, up to its first grant of several.
    fn count_in_word(&self, span: &'m Span, from: u64, owner: PageOwner) -> (u64, u64) {
        let extent = span.extent();
        let end = (from | 63) + 1;
        let Some(map) = self.blocks.map(extent.slot(block_of(from))) else { return (0, end) };
        let mut singles = 0;
        for frame in (from..end).filter(|frame| map.owner_of(*frame).is_owner(owner)) {
            if map.owner_of(frame).is_single_of(owner) {
                singles += 1;
            } else if self.state(extent, frame) == FrameState::Head {
                let count = self.grant_len(extent, frame);
                return (singles + count, frame + count);
            }
        }
        (singles, end)
    }
}
