//! The free memory of one node: what its lock guards.
use core::ops::Range;

use crate::ORDERS;
use crate::blocks::{BLOCK_ORDER, Block, BlockIndex, Blocks, block_of, offset_in_block};
use crate::frame_map::{BLOCK_FRAMES, FrameState};
use crate::kept::Kept;
use crate::lists::Lists;

/// A node's blocks and the lists over them. Frames and blocks are absolute numbers throughout.
pub struct NodeMemory<'m> {
    pub(crate) blocks: Blocks<'m>,
    pub(crate) lists: Lists,
    pub(crate) kept: Kept<'m>,
    /// Frames that are free, kept ones included.
    pub(crate) free: u64,
    /// Frames that were added and not removed again.
    pub(crate) managed: u64,
    /// No frame from this one on was ever added.
    pub(crate) added_end: u64,
}

/// Consecutive blocks, from number `first` up to `end`, whose descriptors are consecutive too: `bias` less than the
/// number is a block's place.
#[derive(Clone, Copy, Debug)]
pub struct Extent {
    pub first: u64,
    pub end: u64,
    bias: u64,
}

impl Extent {
    /// Blocks whose first has this place.
    pub fn new(blocks: Range<u64>, place: usize) -> Self {
        Self { first: blocks.start, end: blocks.end, bias: blocks.start.wrapping_sub(place as u64) }
    }

    /// The place of a block of the extent.
    pub fn place(&self, number: u64) -> usize {
        debug_assert!(self.contains(number));
        number.wrapping_sub(self.bias) as usize
    }

    pub fn contains(&self, number: u64) -> bool {
        self.first <= number && number < self.end
    }
}

/// The part of a run of frames that lies in one block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Piece {
    pub number: u64,
    pub start: u16,
    pub end: u16,
}

impl Piece {
    /// The run, if it lies in one block. It is not empty.
    pub fn of_one_block(frames: &Range<u64>) -> Option<Self> {
        let number = block_of(frames.start);
        let base = number << BLOCK_ORDER;
        let end = frames.end - base;
        (end <= BLOCK_FRAMES.into()).then(|| Self {
            number,
            start: (frames.start - base) as u16,
            end: end as u16,
        })
    }

    pub fn is_whole(&self) -> bool {
        self.len() == BLOCK_FRAMES
    }

    pub fn len(&self) -> u16 {
        self.end - self.start
    }
}

/// The run's part in each block, ascending.
pub fn pieces(frames: Range<u64>) -> impl Iterator<Item = Piece> {
    let mut next = frames.start;
    core::iter::from_fn(move || {
        if next >= frames.end {
            return None;
        }
        let number = block_of(next);
        let base = number << BLOCK_ORDER;
        let end = frames.end.min(base + u64::from(BLOCK_FRAMES));
        let piece = Piece { number, start: (next - base) as u16, end: (end - base) as u16 };
        next = end;
        Some(piece)
    })
}

/// The run's parts in blocks that it holds only in part: at most two.
pub fn edges(frames: &Range<u64>) -> impl Iterator<Item = Piece> {
    let last_block = frames.end.saturating_sub(1) >> BLOCK_ORDER << BLOCK_ORDER;
    let first = pieces(frames.clone()).next();
    let last = if last_block > frames.start { pieces(last_block..frames.end).next() } else { None };
    [first, last].into_iter().flatten().filter(|piece| !piece.is_whole())
}

/// The blocks that the run holds whole.
pub fn whole_blocks(frames: &Range<u64>) -> Range<u64> {
    frames.start.div_ceil(BLOCK_FRAMES.into())..frames.end >> BLOCK_ORDER
}

impl<'m> NodeMemory<'m> {
    /// Memory none of which was added yet.
    pub fn new(blocks: Blocks<'m>) -> Self {
        Self { blocks, lists: Lists::EMPTY, kept: Kept::NONE, free: 0, managed: 0, added_end: 0 }
    }

    pub fn free_frames(&self) -> u64 {
        self.free
    }

    pub fn managed_frames(&self) -> u64 {
        self.managed
    }

    pub fn largest_free_order(&mut self) -> Option<u8> {
        self.put_kept_back();
        self.lists.largest_order()
    }

    /// Adds its free frames to those in chunks of each order. Walks all lists: as many steps as there are blocks with free frames.
    pub fn add_free_by_order(&mut self, frames: &mut [u64; ORDERS]) {
        self.put_kept_back();
        for order in 0..ORDERS as u8 {
            let mut next = self.lists.head(order);
            while let Some(index) = next {
                let block = self.blocks.get(index.place());
                if let Some(map) = self.blocks.map(index.place()) {
                    map.count_by_order(frames);
                }
                next = match block {
                    Block::Free { order, link, .. } => {
                        frames[usize::from(order)] += 1 << order;
                        link.next
                    }
                    Block::Split { link, .. } => link.next,
                    _ => None,
                };
            }
        }
    }

    /// The state of a frame of the extent.
    pub fn state(&self, extent: Extent, frame: u64) -> FrameState {
        let number = block_of(frame);
        let place = extent.place(number);
        if let Some(map) = self.blocks.map(place) {
            return map.state(offset_in_block(frame));
        }
        match self.blocks.get(place) {
            Block::Head if offset_in_block(frame) == 0 => FrameState::Head,
            Block::SealedHead if offset_in_block(frame) == 0 => FrameState::Withheld,
            Block::Head | Block::SealedHead | Block::Inside => FrameState::Inside,
            _ if self.free_run_over(extent, number).is_some() => FrameState::Free,
            _ => FrameState::Withheld,
        }
    }

    /// Gives a block its new count of free frames, its map being as it shall be: moves it to the list of its largest
    /// free order, or makes it a whole free block.
    pub(crate) fn settle(&mut self, extent: Extent, number: u64, free: u16) {
        let place = extent.place(number);
        let index = BlockIndex::new(place);
        let old = self.blocks.get(place).list();
        if free == BLOCK_FRAMES {
            if let Some(order) = old {
                self.lists.remove(&mut self.blocks, order, index);
            }
            self.blocks.set_quiet(place);
            return self.release_run(extent, number, BLOCK_ORDER);
        }
        let new = self.blocks.map(place).and_then(|map| map.largest_order());
        self.relist(place, old, free, new);
    }

    /// Sets a split block's free frames and largest free order, and moves it from its list to the right one.
    pub(crate) fn relist(&mut self, place: usize, old: Option<u8>, free: u16, new: Option<u8>) {
        self.blocks.set_split(place, free, new.unwrap_or_default());
        if new == old {
            return;
        }
        let index = BlockIndex::new(place);
        if let Some(order) = old {
            self.lists.remove(&mut self.blocks, order, index);
        }
        if let Some(order) = new {
            self.lists.insert(&mut self.blocks, order, index);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;

    #[test]
    fn pieces_are_cut_at_block_borders() {
        let cut: Vec<Piece> = pieces(500..1030).collect();
        let piece = |number, start, end| Piece { number, start, end };
        assert_eq!(cut, [piece(0, 500, 512), piece(1, 0, 512), piece(2, 0, 6)]);
        assert_eq!(pieces(7..7).count(), 0);
        let edges = |run: Range<u64>| edges(&run).collect::<Vec<_>>();
        assert_eq!(edges(500..1030), [piece(0, 500, 512), piece(2, 0, 6)]);
        assert_eq!(edges(512..1030), [piece(2, 0, 6)]);
        assert_eq!(edges(500..510), [piece(0, 500, 510)]);
        assert_eq!(edges(512..1024), []);
        assert_eq!(whole_blocks(&(500..1030)), 1..2);
        assert!(whole_blocks(&(500..510)).is_empty());
    }
}
