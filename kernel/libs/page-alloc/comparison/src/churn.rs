//! How much free memory can be allocated as 2 MiB blocks after random allocations and frees of single frames.
use crate::frame_allocator::{Crate, FrameAllocator};
use crate::workloads::HUGE;

/// The number of frames: 1 GiB.
const FRAMES: u64 = 1 << 18;

/// The number of rounds. Each one frees a tenth of the held frames and allocates as many.
const ROUNDS: usize = 200;

/// The blocks at the end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Recovered {
    /// The number of 2 MiB blocks whose frames are all free.
    pub whole: usize,
    /// The number of those that could be allocated.
    pub recovered: usize,
}

/// Numbers that look random and are the same in each run (xorshift64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        ((self.0 >> 8) % sides as u64) as usize
    }
}

/// Takes all frames, frees half of them at random, frees and allocates a tenth in each round, and then allocates 2 MiB blocks
/// until there are no more.
pub fn recovered<C: Crate>() -> Recovered {
    let mut memory = C::memory(FRAMES);
    let mut allocator = C::alone(&mut memory);
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let mut held: Vec<u64> = std::iter::from_fn(|| allocator.allocate(0)).collect();
    free_some(&mut allocator, &mut held, &mut dice, FRAMES as usize / 2);
    for _ in 0..ROUNDS {
        let count = held.len() / 10;
        free_some(&mut allocator, &mut held, &mut dice, count);
        held.extend((0..count).map(|_| allocator.allocate(0).expect("as many as were freed")));
    }
    allocator.drain();

    let mut whole = vec![true; (FRAMES >> HUGE) as usize];
    held.iter().for_each(|frame| whole[(frame >> HUGE) as usize] = false);
    let found = whole.iter().filter(|whole| **whole).count();
    let mut recovered = 0;
    while let Some(frame) = allocator.allocate(HUGE) {
        assert!(std::mem::take(&mut whole[(frame >> HUGE) as usize]), "{}: frame {frame} is held", C::NAME);
        recovered += 1;
    }
    Recovered { whole: found, recovered }
}

fn free_some(allocator: &mut impl FrameAllocator, held: &mut Vec<u64>, dice: &mut Dice, count: usize) {
    for _ in 0..count {
        let frame = held.swap_remove(dice.roll(held.len()));
        assert!(allocator.free(frame, 0));
    }
}
