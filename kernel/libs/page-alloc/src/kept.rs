//! Chunks that were freed and are kept as they are, one of each order up to 9, for the next request of that order: whoever
//! frees and allocates in turn neither splits and merges blocks nor moves them between lists.
//!
//! They count as free, but are withheld. Wherever that would make a difference they are put back first: before a request
//! finds no fit, and before anybody looks at which chunks are free.
use crate::blocks::{BLOCK_ORDER, Block, block_of, offset_in_block};
use crate::node_memory::{Extent, NodeMemory};

/// Orders of which one is kept: 0 to 9.
const KEPT_ORDERS: usize = BLOCK_ORDER as usize + 1;

/// The kept chunks' first frames, and where they lie.
pub struct Kept([Option<(u64, Extent)>; KEPT_ORDERS]);

impl Kept {
    pub const NONE: Self = Self([None; KEPT_ORDERS]);

    /// Whether a kept chunk holds the frame.
    pub fn holds(&self, frame: u64) -> bool {
        let mut chunks = self.0.iter().zip(0..);
        chunks.any(|(kept, order)| kept.is_some_and(|(first, _)| frame >> order == first >> order))
    }
}

impl<'m> NodeMemory<'m> {
    /// Grants the kept chunk of this order, if there is one that ends below the limit.
    #[inline]
    pub fn allocate_kept(&mut self, order: u8, limit: u64) -> Option<u64> {
        let slot = self.kept.0.get_mut(usize::from(order))?;
        let (frame, extent) = (*slot)?;
        if frame + (1 << order) > limit {
            return None;
        }
        *slot = None;
        let place = extent.place(block_of(frame));
        self.free -= 1 << order;
        if order == BLOCK_ORDER {
            self.blocks.set_granted(place, true);
        } else if let Some(map) = self.blocks.map(place) {
            map.grant_withheld_chunk(offset_in_block(frame), order);
        }
        Some(frame)
    }

    /// Keeps an aligned chunk of up to a block that is a grant of its own. `false`, with nothing changed, where that cannot
    /// be told from the block alone, or one is kept already.
    #[inline]
    pub fn keep(&mut self, extent: Extent, frame: u64, order: u8) -> bool {
        let place = extent.place(block_of(frame));
        match self.kept.0.get(usize::from(order)) {
            Some(None) if order == BLOCK_ORDER => {
                if !self.is_granted_block(extent, block_of(frame)) {
                    return false;
                }
                self.blocks.set_quiet(place);
            }
            Some(None) => {
                let Some(map) = self.blocks.map(place) else { return false };
                let first = offset_in_block(frame);
                if !map.is_granted_chunk(first, order) || !map.withhold_chunk(first, order) {
                    return false;
                }
            }
            _ => return false,
        }
        self.free += 1 << order;
        self.kept.0[usize::from(order)] = Some((frame, extent));
        true
    }

    /// Puts all kept chunks among the free ones; returns whether there were any.
    pub fn put_kept_back(&mut self) -> bool {
        let kept = core::mem::replace(&mut self.kept, Kept::NONE);
        let mut any = false;
        for ((frame, extent), order) in
            kept.0.into_iter().zip(0..).filter_map(|(kept, order)| Some((kept?, order)))
        {
            any = true;
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
