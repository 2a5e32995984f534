//! A step of the search for an owner's grants: what it looks at, and what it finds.
use crate::blocks::{BLOCK_ORDER, Block, block_of};
use crate::buddy::blocks_in;
use crate::node_memory::NodeMemory;
use crate::owner::PageOwner;
use crate::span_table::Span;

/// The number of blocks that a step looks at, at most.
const BLOCKS_IN_STEP: usize = 64;

/// What a step looks at: the owner's grants that start in a span, from a frame on.
#[derive(Clone, Copy)]
pub struct Step<'m> {
    /// The span.
    pub span: &'m Span,
    /// The frame.
    pub from: u64,
    /// The owner.
    pub owner: PageOwner,
}

/// Where a step finds something to look at.
pub enum Found {
    /// A split block, whose frames from this one on may have grants of the owner.
    Word(u64),
    /// A grant of the owner that starts with this frame, at the start of a block.
    Grant(u64),
    /// Nothing. The next step begins with this frame.
    Nothing(u64),
}

impl<'m> NodeMemory<'m> {
    /// Looks at some blocks for one that may have grants of the owner.
    pub fn find_grants(&self, Step { span, from, owner }: Step<'m>) -> Found {
        let extent = span.extent();
        let mut number = block_of(from);
        for _ in 0..BLOCKS_IN_STEP {
            if !extent.contains(number) {
                break;
            }
            let first = number << BLOCK_ORDER;
            match self.blocks.get(extent.slot(number)) {
                Block::Free { order, .. } => number += blocks_in(order),
                Block::Split { .. } => return Found::Word(from.max(first)),
                Block::Head(its) if its == owner => return Found::Grant(first),
                _ => number += 1,
            }
        }
        Found::Nothing(number << BLOCK_ORDER)
    }
}
