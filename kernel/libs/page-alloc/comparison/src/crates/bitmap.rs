//! `bitmap-allocator`: a tree of bits, 16 below each.
use bitmap_allocator::{BitAlloc, BitAlloc16M};

use super::locked::Locked;
use crate::frame_allocator::{Abilities, Crate, FrameAllocator};

/// The crate.
pub struct Bitmap;

/// The crate's smallest tree with room for 16 GiB.
type Bits = BitAlloc16M;

/// The tree, and the number of its bits that stand for frames.
pub struct Tree {
    bits: Box<Bits>,
    frames: usize,
}

impl FrameAllocator for &mut Bits {
    #[inline(always)]
    fn allocate(&mut self, order: u8) -> Option<u64> {
        let frame = match order {
            0 => self.alloc(),
            _ => self.alloc_contiguous(None, 1 << order, order.into()),
        };
        frame.map(|frame| frame as u64)
    }

    #[inline(always)]
    fn free(&mut self, frame: u64, order: u8) -> bool {
        match order {
            0 => self.dealloc(frame as usize),
            _ => self.dealloc_contiguous(frame as usize, 1 << order),
        }
    }
}

impl Crate for Bitmap {
    const NAME: &'static str = "bitmap-allocator";
    const VERSION: &'static str = "0.4.6";

    type Memory = Tree;
    type Alone<'m> = &'m mut Bits;
    type Thread<'m> = Locked<&'m mut Bits>;

    fn memory(frames: u64) -> Tree {
        // SAFETY: the tree consists of `u16` only, for which 0 is valid. All bits 0 is its default, with nothing free.
        let bits = unsafe { Box::<Bits>::new_zeroed().assume_init() };
        Tree { bits, frames: frames as usize }
    }

    /// A tree that was used before is not cleared: freeing all frames writes the same words.
    fn alone(tree: &mut Tree) -> &mut Bits {
        tree.bits.insert(0..tree.frames);
        &mut tree.bits
    }

    fn threads(tree: &mut Tree, count: usize) -> Vec<Locked<&mut Bits>> {
        Locked::threads(Self::alone(tree), count)
    }

    const ABILITIES: Abilities = Abilities {
        refuses: "double frees",
        nodes: "–",
        runs: "any count and alignment",
        highest_address: "–",
        threads: "a lock around all",
        metadata: "inside its value, of a fixed size",
    };
}
