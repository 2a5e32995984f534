//! Arithmetic on blocks: runs of blocks with consecutive descriptors, and the parts of a run of frames in each block.
use core::ops::Range;

use crate::blocks::{BLOCK_ORDER, block_of};
use crate::frame_map::BLOCK_FRAMES;

/// Blocks `first` to below `end`, whose descriptors are consecutive. A block's slot among the descriptors is its number
/// minus `bias`.
#[derive(Clone, Copy, Debug)]
pub struct Extent {
    pub first: u64,
    pub end: u64,
    bias: u64,
}

impl Extent {
    /// Returns the extent of these blocks; the first one has descriptor `slot`.
    pub fn new(blocks: Range<u64>, slot: usize) -> Self {
        Self { first: blocks.start, end: blocks.end, bias: blocks.start.wrapping_sub(slot as u64) }
    }

    /// Returns the descriptor slot of a block of the extent.
    pub fn slot(&self, number: u64) -> usize {
        debug_assert!(self.contains(number));
        number.wrapping_sub(self.bias) as usize
    }

    /// Returns true if the block lies in the extent.
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
    /// Returns the run as one piece if it lies in one block. The run is not empty.
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

    /// Returns true if the piece is a whole block.
    pub fn is_whole(&self) -> bool {
        self.len() == BLOCK_FRAMES
    }

    /// Returns the number of frames in the piece.
    pub fn len(&self) -> u16 {
        self.end - self.start
    }
}

/// Returns the run's part in each block, ascending.
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

/// Returns the run's parts in blocks that it covers only partly: at most two.
pub fn edges(frames: &Range<u64>) -> impl Iterator<Item = Piece> {
    let last_block = frames.end.saturating_sub(1) >> BLOCK_ORDER << BLOCK_ORDER;
    let first = pieces(frames.clone()).next();
    let last = if last_block > frames.start { pieces(last_block..frames.end).next() } else { None };
    [first, last].into_iter().flatten().filter(|piece| !piece.is_whole())
}

/// Returns the blocks that the run covers completely.
pub fn whole_blocks(frames: &Range<u64>) -> Range<u64> {
    frames.start.div_ceil(BLOCK_FRAMES.into())..frames.end >> BLOCK_ORDER
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
