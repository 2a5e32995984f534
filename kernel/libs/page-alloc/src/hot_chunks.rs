//! Hot chunks: for each order up to 9, the chunk that was freed last. It stays intact for the next request of that order, so
//! that freeing and allocating in turn neither splits nor merges blocks, nor moves them between lists.
//!
//! Hot chunks count as free, but their frames are reserved. Wherever that would make a difference they are released first:
//! before a request finds no fit, and before anyone looks at which chunks are free.
use crate::blocks::{BLOCK_ORDER, block_of};
use crate::frame_map::FrameMap;
use crate::span_table::Span;

/// A node's hot chunks.
pub struct HotChunks<'m> {
    /// One for each order below a block's.
    pub parts: [Option<HotPart<'m>>; BLOCK_ORDER as usize],
    /// The number of a whole block, and its span.
    pub block: Option<(u64, &'m Span)>,
}

/// A hot chunk smaller than a block.
#[derive(Clone, Copy)]
pub struct HotPart<'m> {
    /// Its first frame.
    pub frame: u64,
    pub span: &'m Span,
    pub map: &'m FrameMap,
}

/// A block that is or was split, with the location of its frame map.
#[derive(Clone, Copy)]
pub struct KnownBlock<'m> {
    pub number: u64,
    pub map: &'m FrameMap,
    pub span: &'m Span,
}

impl HotChunks<'_> {
    /// No hot chunks.
    pub const NONE: Self = Self { parts: [None; BLOCK_ORDER as usize], block: None };

    /// Returns true if a hot chunk contains the frame.
    pub fn contain(&self, frame: u64) -> bool {
        let mut parts = self.parts.iter().zip(0..);
        parts.any(|(part, order)| part.is_some_and(|part| frame >> order == part.frame >> order))
            || self.block.is_some_and(|(number, _)| number == block_of(frame))
    }
}
