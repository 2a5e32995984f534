//! Chunks that were freed and are kept as they are, one of each order up to 9, for the next request of that order: whoever
//! frees and allocates in turn neither splits and merges blocks nor moves them between lists.
//!
//! They count as free, but are withheld. Wherever that would make a difference they are put back first: before a request
//! finds no fit, and before anybody looks at which chunks are free.
use crate::blocks::{BLOCK_ORDER, Block, block_of, offset_in_block};
use crate::frame_map::{FrameMap, FrameState};
use crate::node_memory::{Extent, NodeMemory};
use crate::span_table::Span;

/// The kept chunks.
pub struct Kept<'m> {
    /// Of each order below a block's.
    parts: [Option<Part<'m>>; BLOCK_ORDER as usize],
    /// The number of a whole block, and its span.
    block: Option<(u64, &'m Span)>,
}

#[derive(Clone, Copy)]
struct Part<'m> {
    /// Its first frame.
    frame: u64,
    span: &'m Span,
    map: &'m FrameMap,
}

/// A block that is or was split.
#[derive(Clone, Copy)]
pub struct KnownBlock<'m> {
    pub number: u64,
    pub map: &'m FrameMap,
    pub span: &'m Span,
}

impl Kept<'_> {
    pub const NONE: Self = Self { parts: [None; BLOCK_ORDER as usize], block: None };

    /// Whether a kept chunk holds the frame.
    pub fn holds(&self, frame: u64) -> bool {
        let mut parts = self.parts.iter().zip(0..);
        parts.any(|(kept, order)| kept.is_some_and(|kept| frame >> order == kept.frame >> order))
            || self.block.is_some_and(|(number, _)| number == block_of(frame))
    }
}

impl<'m> NodeMemory<'m> {
    /// Grants the kept chunk of this order, if there is one that ends below the limit.
    pub fn allocate_kept(&mut self, order: u8, limit: u64) -> Option<u64> {
        let (first, end) = if order == BLOCK_ORDER {
            let (number, _) = self.kept.block?;
            (number << BLOCK_ORDER, (number + 1) << BLOCK_ORDER)
        } else {
            let frame = (*self.kept.parts.get(usize::from(order))?)?.frame;
            (frame, frame + (1 << order))
        };
        if end > limit {
            return None;
        }
        if order == BLOCK_ORDER {
            self.allocate_kept_block()
        } else {
            self.allocate_kept_part(order)
        };
        Some(first)
    }

    /// Grants the kept part of a block of this order, if there is one.
    #[inline]
    pub fn allocate_kept_part(&mut self, order: u8) -> Option<u64> {
        let Part { frame, map, .. } = self.kept.parts.get_mut(usize::from(order))?.take()?;
        self.free -= 1 << order;
        map.grant_withheld_chunk(offset_in_block(frame), order);
        Some(frame)
    }

    /// The same of `count` frames of one word. No count is kept but powers of two.
    #[inline(always)]
    pub fn allocate_kept_in_word(&mut self, count: u64) -> Option<u64> {
        if count > 32 || count & count.wrapping_sub(1) != 0 {
            return None;
        }
        let Part { frame, map, .. } = self.kept.parts.get_mut(count.trailing_zeros() as usize)?.take()?;
        self.free -= count;
        map.word_of(frame).grant_kept(frame, count);
        Some(frame)
    }

    /// Grants the kept whole block, if there is one.
    #[inline]
    pub fn allocate_kept_block(&mut self) -> Option<u64> {
        let (number, span) = self.kept.block.take()?;
        self.free -= 1 << BLOCK_ORDER;
        self.blocks.set_granted(span.extent().place(number), true);
        Some(number << BLOCK_ORDER)
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
    fn keep_part(&mut self, block: KnownBlock<'m>, frame: u64, order: u8) -> bool {
        let KnownBlock { map, span, .. } = block;
        let first = offset_in_block(frame);
        let Some(slot @ None) = self.kept.parts.get_mut(usize::from(order)) else { return false };
        if !map.is_granted_chunk(first, order) || !map.withhold_chunk(first, order) {
            return false;
        }
        self.free += 1 << order;
        *slot = Some(Part { frame, span, map });
        true
    }

    /// The same for `count` frames, a power of two up to 32.
    #[inline(always)]
    pub fn keep_in_word(&mut self, block: KnownBlock<'m>, frame: u64, count: u64) -> bool {
        let KnownBlock { map, span, .. } = block;
        let word = map.word_of(frame);
        let Some(slot @ None) = self.kept.parts.get_mut(count.trailing_zeros() as usize) else {
            return false;
        };
        let is_grant = if frame % 64 + count < 64 {
            word.is_grant(frame, count)
        } else {
            map.is_grant_at_word_end(offset_in_block(frame))
        };
        if !is_grant || !word.withhold_grant(frame, count) {
            return false;
        }
        self.free += count;
        *slot = Some(Part { frame, span, map });
        true
    }

    /// The same for a whole block.
    #[inline]
    pub fn keep_block(&mut self, span: &'m Span, number: u64) -> bool {
        let extent = span.extent();
        if self.kept.block.is_some() || !self.is_granted_block(extent, number) {
            return false;
        }
        self.blocks.set_quiet(extent.place(number));
        self.free += 1 << BLOCK_ORDER;
        self.kept.block = Some((number, span));
        true
    }

    /// Puts all kept chunks among the free ones; returns whether there were any.
    pub fn put_kept_back(&mut self) -> bool {
        let kept = core::mem::replace(&mut self.kept, Kept::NONE);
        let mut any = false;
        for (Part { frame, span, .. }, order) in
            kept.parts.into_iter().zip(0..).filter_map(|(kept, order)| Some((kept?, order)))
        {
            any = true;
            // `release_chunk` counts the frames, which were counted when they came.
            self.free -= 1 << order;
            self.release_chunk(span.extent(), frame, order);
        }
        if let Some((number, span)) = kept.block {
            any = true;
            self.release_run(span.extent(), number, BLOCK_ORDER);
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
                    Some(map) => map.state(0) == FrameState::Inside,
                    None => matches!(self.blocks.get(extent.place(next)), Block::Inside),
                }
        };
        matches!(self.blocks.get(extent.place(number)), Block::Head) && !next_is_inside()
    }
}
