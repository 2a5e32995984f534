//! `buddy_system_allocator`: a set of free chunks for each order, in ordered sets on the heap.
use buddy_system_allocator::FrameAllocator as Sets;

use super::locked::Locked;
use crate::frame_allocator::{Abilities, Crate, FrameAllocator};

/// The crate.
pub struct BuddySystem;

impl FrameAllocator for Sets {
    #[inline(always)]
    fn allocate(&mut self, order: u8) -> Option<u64> {
        self.alloc(1 << order).map(|frame| frame as u64)
    }

    #[inline(always)]
    fn free(&mut self, frame: u64, order: u8) -> bool {
        self.dealloc(frame as usize, 1 << order);
        true
    }
}

impl Crate for BuddySystem {
    const NAME: &'static str = "buddy_system_allocator";
    const VERSION: &'static str = "0.13.0";

    /// Only the number of frames: everything else is on the heap.
    type Memory = usize;
    type Alone<'m> = Sets;
    type Thread<'m> = Locked<Sets>;

    fn memory(frames: u64) -> usize {
        frames as usize
    }

    fn alone(frames: &mut usize) -> Sets {
        let mut sets = Sets::new();
        sets.add_frame(0, *frames);
        sets
    }

    fn threads(frames: &mut usize, count: usize) -> Vec<Locked<Sets>> {
        Locked::threads(Self::alone(frames), count)
    }

    const ABILITIES: Abilities = Abilities {
        refuses: "none",
        nodes: "–",
        runs: "powers of two",
        highest_address: "–",
        threads: "a lock around all",
        metadata: "the heap, which must be there first",
    };
}
