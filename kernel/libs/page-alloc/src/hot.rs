//! Granting hot chunks and making freed chunks hot.
use core::mem::replace;

use crate::blocks::{BLOCK_ORDER, Block, block_of, offset_in_block};
use crate::extent::Extent;
use crate::hot_chunks::{HotChunks, HotPart, KnownBlock};
use crate::node_memory::NodeMemory;
use crate::owner::PageOwner;
use crate::span_table::Span;
use crate::word::{bit_of, bits_of};

impl<'m> NodeMemory<'m> {
    /// Grants the hot chunk of this order to the owner, if there is one and it ends at or below frame `limit`.
    pub fn take_hot(&mut self, order: u8, limit: u64, owner: PageOwner) -> Option<u64> {
        if order == BLOCK_ORDER {
            let (number, _) = self.hot.block?;
            return if (number + 1) << BLOCK_ORDER <= limit { self.take_hot_block(owner) } else { None };
        }
        let slot = self.hot.parts.get_mut(usize::from(order))?;
        let HotPart { frame, map, .. } = (*slot)?;
        if frame + (1 << order) > limit {
            return None;
        }
        *slot = None;
        self.free -= 1 << order;
        map.grant_reserved_chunk(offset_in_block(frame), order, owner);
        Some(frame)
    }

    /// Grants the hot chunk of `count` frames, if there is one, to the owner. `count` is a power of two up to 32, and not 1 for the kernel;
    /// such a chunk lies in one word.
    #[inline(always)]
    pub fn take_hot_in_word(&mut self, count: u64, owner: PageOwner) -> Option<u64> {
        let HotPart { frame, map, .. } = self.hot.parts.get_mut(count.trailing_zeros() as usize)?.take()?;
        self.free -= count;
        if count == 1 {
            map.owner_of(frame).grant(owner);
            return Some(frame);
        }
        map.owner_of(frame).set_owner(owner);
        if owner.is_kernel() {
            map.word_of(frame).grant_reserved_to_kernel(bits_of(frame, count) & !bit_of(frame));
        } else {
            map.word_of(frame).grant_reserved(bits_of(frame, count), bit_of(frame));
        }
        Some(frame)
    }

    /// Grants the hot block to the owner, if there is one.
    #[inline]
    pub fn take_hot_block(&mut self, owner: PageOwner) -> Option<u64> {
        let (number, span) = self.hot.block.take()?;
        self.free -= 1 << BLOCK_ORDER;
        self.blocks.set_granted(span.extent().slot(number), Some(owner));
        Some(number << BLOCK_ORDER)
    }

    /// Takes back an aligned chunk of up to a block, which becomes the hot chunk of its order. Returns false, with nothing
    /// changed, if there is one already, or if the block alone cannot tell that the chunk is a grant of the owner.
    pub fn keep_hot(&mut self, span: &'m Span, frame: u64, order: u8, owner: PageOwner) -> bool {
        let number = block_of(frame);
        if order == BLOCK_ORDER {
            return self.keep_hot_block(span, number, owner);
        }
        let Some(map) = self.blocks.map(span.extent().slot(number)) else { return false };
        let first = offset_in_block(frame);
        let Some(slot @ None) = self.hot.parts.get_mut(usize::from(order)) else { return false };
        if !map.take_back_chunk(first, order, owner) {
            return false;
        }
        self.free += 1 << order;
        *slot = Some(HotPart { frame, span, map });
        true
    }

    /// Makes a reserved frame of a split block the hot chunk of one frame. Returns false, with nothing changed, if there is one
    /// already.
    pub fn keep_hot_single(&mut self, span: &'m Span, frame: u64) -> bool {
        let Some(map) = self.blocks.map(span.extent().slot(block_of(frame))) else { return false };
        let [slot @ None, ..] = &mut self.hot.parts else { return false };
        self.free += 1;
        *slot = Some(HotPart { frame, span, map });
        true
    }

    /// Takes back a single frame of a known block as [`NodeMemory::keep_hot`] does.
    #[inline(always)]
    pub fn keep_hot_page(&mut self, block: KnownBlock<'m>, frame: u64, owner: PageOwner) -> bool {
        let KnownBlock { map, span, .. } = block;
        let [slot @ None, ..] = &mut self.hot.parts else { return false };
        if !map.owner_of(frame).take_back(owner) {
            return false;
        }
        self.free += 1;
        *slot = Some(HotPart { frame, span, map });
        true
    }

    /// Takes back `count` frames of a known block as [`NodeMemory::keep_hot`] does: a grant of the owner, who is the kernel if
    /// `kernel_owned` says so. `count` is a power of two from 2 to 32.
    #[inline(always)]
    pub fn keep_hot_in_word(
        &mut self,
        block: KnownBlock<'m>,
        frame: u64,
        count: u64,
        owner: PageOwner,
        kernel_owned: bool,
    ) -> bool {
        let KnownBlock { map, span, .. } = block;
        let word = map.word_of(frame);
        let Some(slot @ None) = self.hot.parts.get_mut(count.trailing_zeros() as usize) else {
            return false;
        };
        // The byte tells first: so the owner is in no register while the bits are looked at.
        if !map.owner_of(frame).is_owner_of_several(owner) {
            return false;
        }
        let ends_word = frame % 64 + count == 64;
        let is_grant = if ends_word {
            map.is_grant_at_word_end(offset_in_block(frame), kernel_owned)
        } else {
            word.is_grant(frame, count, kernel_owned)
        };
        if !is_grant {
            return false;
        }
        word.reserve_granted(bits_of(frame, count));
        self.free += count;
        *slot = Some(HotPart { frame, span, map });
        true
    }

    /// Takes back a whole block as [`NodeMemory::keep_hot`] does.
    #[inline]
    pub fn keep_hot_block(&mut self, span: &'m Span, number: u64, owner: PageOwner) -> bool {
        let extent = span.extent();
        if self.hot.block.is_some() || !self.is_granted_block(extent, number, owner) {
            return false;
        }
        self.blocks.set_quiet(extent.slot(number));
        self.free += 1 << BLOCK_ORDER;
        self.hot.block = Some((number, span));
        true
    }

    /// Releases all hot chunks. Returns true if there were any.
    pub fn release_hot(&mut self) -> bool {
        let hot = replace(&mut self.hot, HotChunks::NONE);
        let mut any = false;
        for (HotPart { frame, span, .. }, order) in
            hot.parts.into_iter().zip(0..).filter_map(|(part, order)| Some((part?, order)))
        {
            any = true;
            // `release_chunk` counts the frames, which were counted when the chunk became hot.
            self.free -= 1 << order;
            self.release_chunk(span.extent(), frame, order);
        }
        if let Some((number, span)) = hot.block {
            any = true;
            self.release_run(span.extent(), number, BLOCK_ORDER);
        }
        any
    }

    /// Returns true if the block is a grant of its own, and this owner's.
    #[inline]
    fn is_granted_block(&self, extent: Extent, number: u64, owner: PageOwner) -> bool {
        let next_is_inside = || {
            let next = number + 1;
            extent.contains(next)
                && match self.blocks.map(extent.slot(next)) {
                    Some(map) => map.is_inside(0),
                    None => matches!(self.blocks.get(extent.slot(next)), Block::Inside),
                }
        };
        matches!(self.blocks.get(extent.slot(number)), Block::Head(its) if its == owner) && !next_is_inside()
    }
}
