//! Chunks that were freed and are kept as they are, one of each order up to 9, for the next request of that order: whoever
//! frees and allocates in turn neither splits and merges blocks nor moves them between lists.
//!
//! They count as free, but are withheld. Wherever that would make a difference they are put back first: before a request
//! finds no fit, and before anybody looks at which chunks are free.
use crate::blocks::{BLOCK_ORDER, Block, block_of, offset_in_block};
use crate::frame_map::FrameMap;
use crate::node_memory::{Extent, NodeMemory};
use crate::span_table::Span;

/// Orders of which one is kept: 0 to 9.
const KEPT_ORDERS: usize = BLOCK_ORDER as usize + 1;

/// The kept chunks.
pub struct Kept<'m>([Option<Chunk<'m>>; KEPT_ORDERS]);

#[derive(Clone, Copy)]
struct Chunk<'m> {
    /// Its first frame.
    frame: u64,
    span: &'m Span,
    /// Of its block; `None` for a whole block.
    map: Option<&'m FrameMap>,
}

/// A block that is or was split.
#[derive(Clone, Copy)]
pub struct KnownBlock<'m> {
    pub number: u64,
    pub map: &'m FrameMap,
    pub span: &'m Span,
}

impl Kept<'_> {
    pub const NONE: Self = Self([None; KEPT_ORDERS]);

    /// Whether a kept chunk holds the frame.
    pub fn holds(&self, frame: u64) -> bool {
        let mut chunks = self.0.iter().zip(0..);
        chunks.any(|(kept, order)| kept.is_some_and(|kept| frame >> order == kept.frame >> order))
    }
}

impl<'m> NodeMemory<'m> {
    /// Grants the kept chunk of this order, if there is one that ends below the limit.
    #[inline]
    pub fn allocate_kept(&mut self, order: u8, limit: u64) -> Option<u64> {
        let slot = self.kept.0.get_mut(usize::from(order))?;
        let Chunk { frame, span, map } = (*slot)?;
        if frame + (1 << order) > limit {
            return None;
        }
        *slot = None;
        self.free -= 1 << order;
        match map {
            Some(map) => map.grant_withheld_chunk(offset_in_block(frame), order),
            None => self.blocks.set_granted(span.extent().place(block_of(frame)), true),
        }
        Some(frame)
    }

    /// Keeps an aligned chunk of up to a block that is a grant of its own. `false`, with nothing changed, where that cannot
    /// be told from the block alone, or one is kept already.
    pub fn keep(&mut self, span: &'m Span, frame: u64, order: u8) -> bool {
        let number = block_of(frame);
        if order == BLOCK_ORDER {
            return self.keep_block(span, number);
        }
        match self.blocks.map(span.extent().place(number)) {
            Some(map) => self.keep_part(KnownBlock { number, map, span }, frame, order),
            None => false,
        }
    }

    /// The same for a part of a block of which it is known where its frame map is.
    #[inline]
    pub fn keep_part(&mut self, block: KnownBlock<'m>, frame: u64, order: u8) -> bool {
        let first = offset_in_block(frame);
        let Some(slot @ None) = self.kept.0.get_mut(usize::from(order)) else { return false };
        if !block.map.is_granted_chunk(first, order) || !block.map.withhold_chunk(first, order) {
            return false;
        }
        self.free += 1 << order;
        *slot = Some(Chunk { frame, span: block.span, map: Some(block.map) });
        true
    }

    /// The same for a whole block.
    #[inline]
    pub fn keep_block(&mut self, span: &'m Span, number: u64) -> bool {
        let extent = span.extent();
        if self.kept.0[usize::from(BLOCK_ORDER)].is_some() || !self.is_granted_block(extent, number) {
            return false;
        }
        self.blocks.set_quiet(extent.place(number));
        self.free += 1 << BLOCK_ORDER;
        let frame = number << BLOCK_ORDER;
        self.kept.0[usize::from(BLOCK_ORDER)] = Some(Chunk { frame, span, map: None });
        true
    }

    /// Puts all kept chunks among the free ones; returns whether there were any.
    pub fn put_kept_back(&mut self) -> bool {
        let kept = core::mem::replace(&mut self.kept, Kept::NONE);
        let mut any = false;
        for (Chunk { frame, span, .. }, order) in
            kept.0.into_iter().zip(0..).filter_map(|(kept, order)| Some((kept?, order)))
        {
            any = true;
            let extent = span.extent();
            if order == BLOCK_ORDER {
                self.release_run(extent, block_of(frame), order);
            } else {
                // `release_chunk` counts the frames, which were counted when they came.
                self.free -= 1 << order;
                self.release_chunk(extent, frame, order);
            }
        }
        any
    }

    /// Whether the block is a grant of its own.
    #[inline]
    fn is_granted_block(&self, extent: Extent, number: u64) -> bool {
        let next_is_inside = || {
            let next = number + 1;
            extent.contains(next)
                && match self.blocks.map(extent.place(next)) {
                    Some(map) => map.inside_from(0) > 0,
                    None => matches!(self.blocks.get(extent.place(next)), Block::Inside),
                }
        };
        matches!(self.blocks.get(extent.place(number)), Block::Head) && !next_is_inside()
    }
}
