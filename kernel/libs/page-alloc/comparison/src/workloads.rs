//! The workloads, the same for each crate.
use crate::frame_allocator::{Crate, FrameAllocator};

/// The number of frames of the memory: 16 GiB.
pub const FRAMES: u64 = 16 << 18;

/// The number of frames in a batch.
pub const BATCH: usize = 512;

/// The number of frames over which the mean is taken.
const PLACES: usize = 64;

/// The order of 2 MiB.
pub const HUGE: u8 = 9;

/// A workload for one thread.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Workload {
    /// A frame is allocated and freed repeatedly. This is done with each of 64 frames, as the position may matter.
    HotPair,
    /// 512 frames are allocated, then freed in that order.
    Batch,
    /// 2 MiB are allocated and freed.
    HugePair,
    /// 2 MiB are requested while nothing is free.
    HugeOfNone,
    /// 2 MiB are requested while one frame in each 2 MiB is free.
    HugeOfScattered,
    /// An allocator over 16 GiB is built.
    Setup,
}

impl Workload {
    /// All workloads, in the table's order.
    pub const ALL: [Self; 6] =
        [Self::HotPair, Self::Batch, Self::HugePair, Self::HugeOfNone, Self::HugeOfScattered, Self::Setup];

    /// Returns the name in commands and files.
    pub fn name(self) -> &'static str {
        match self {
            Self::HotPair => "hot-pair",
            Self::Batch => "batch-512",
            Self::HugePair => "order-9-pair",
            Self::HugeOfNone => "order-9-of-none",
            Self::HugeOfScattered => "order-9-of-scattered",
            Self::Setup => "setup-16-gib",
        }
    }

    /// Returns the row in the table.
    pub fn title(self) -> &'static str {
        match self {
            Self::HotPair => "hot pair, 4 KiB",
            Self::Batch => "512 frames in a row, an operation",
            Self::HugePair => "pair, 2 MiB",
            Self::HugeOfNone => "2 MiB refused, nothing free",
            Self::HugeOfScattered => "2 MiB refused, one frame free in each",
            Self::Setup => "setup of 16 GiB",
        }
    }

    /// Returns the number of operations in one repeat that the table counts separately.
    pub fn operations(self) -> u64 {
        match self {
            Self::HotPair => PLACES as u64,
            Self::Batch => 2 * BATCH as u64,
            _ => 1,
        }
    }

    /// Calls `measure` with a closure that repeats the workload, in 16 GiB of memory in the required state.
    pub fn with<C: Crate, R>(self, measure: impl FnOnce(&mut dyn FnMut(u64)) -> R) -> R {
        let mut memory = C::memory(FRAMES);
        if self == Self::Setup {
            return measure(&mut |times| (0..times).for_each(|_| drop(build::<C>(&mut memory))));
        }
        let mut allocator = C::alone(&mut memory);
        let allocator = &mut allocator;
        match self {
            Self::HugeOfNone => fill(allocator),
            Self::HugeOfScattered => scatter(allocator),
            _ => wear(allocator),
        }
        match self {
            Self::HotPair => measure(&mut |times| hot_pairs(allocator, times)),
            Self::HugePair => measure(&mut |times| pairs::<_, HUGE>(allocator, times)),
            Self::Batch => measure(&mut |times| batches(allocator, times)),
            _ => measure(&mut |times| refusals(allocator, times)),
        }
    }
}

/// Allocates through a function that is not inlined, as in a kernel.
#[inline(never)]
fn allocate<A: FrameAllocator, const ORDER: u8>(allocator: &mut A) -> Option<u64> {
    allocator.allocate(ORDER)
}

/// Frees through a function that is not inlined, as in a kernel.
#[inline(never)]
fn free<A: FrameAllocator, const ORDER: u8>(allocator: &mut A, frame: u64) -> bool {
    allocator.free(frame, ORDER)
}

/// Allocates and frees a frame repeatedly.
fn pairs<A: FrameAllocator, const ORDER: u8>(allocator: &mut A, times: u64) {
    for _ in 0..times {
        let frame = allocate::<A, ORDER>(allocator).expect("a free chunk");
        assert!(free::<A, ORDER>(allocator, frame));
    }
}

/// Allocates and frees each of 64 frames repeatedly. Each frame is then held until the end.
pub fn hot_pairs<A: FrameAllocator>(allocator: &mut A, times: u64) {
    let mut held = [0; PLACES];
    for frame in &mut held {
        pairs::<A, 0>(allocator, times);
        *frame = allocator.allocate(0).expect("a free frame");
    }
    held.into_iter().rev().for_each(|frame| assert!(allocator.free(frame, 0)));
}

/// Allocates batches of 512 frames in a row, and frees them.
pub fn batches<A: FrameAllocator>(allocator: &mut A, times: u64) {
    let mut frames = [0; BATCH];
    for _ in 0..times {
        for frame in &mut frames {
            *frame = allocate::<A, 0>(allocator).expect("a free frame");
        }
        for frame in frames {
            assert!(free::<A, 0>(allocator, frame));
        }
    }
}

fn refusals<A: FrameAllocator>(allocator: &mut A, times: u64) {
    for _ in 0..times {
        assert!(allocate::<A, HUGE>(allocator).is_none());
    }
}

#[inline(never)]
fn build<C: Crate>(memory: &mut C::Memory) -> C::Alone<'_> {
    C::alone(memory)
}

/// Brings the allocator into the state of a system that has run: every second one of some frames and of some 2 MiB blocks is held.
/// A buddy system whose memory is all free would split a chunk of 1 GiB or more for each frame, and merge it again.
pub fn wear<A: FrameAllocator>(allocator: &mut A) {
    let huge: Vec<_> = (0..16).map_while(|_| allocator.allocate(HUGE)).collect();
    let frames: Vec<_> = (0..2 * BATCH).map_while(|_| allocator.allocate(0)).collect();
    huge.iter().step_by(2).for_each(|frame| assert!(allocator.free(*frame, HUGE)));
    frames.iter().step_by(2).for_each(|frame| assert!(allocator.free(*frame, 0)));
}

/// Takes all frames.
fn fill<A: FrameAllocator>(allocator: &mut A) {
    while allocator.allocate(HUGE).is_some() {}
    while allocator.allocate(0).is_some() {}
}

/// Takes all frames, and frees one in each 2 MiB.
fn scatter<A: FrameAllocator>(allocator: &mut A) {
    while allocator.allocate(0).is_some() {}
    for block in 0..FRAMES >> HUGE {
        assert!(allocator.free((block << HUGE) + 7, 0));
    }
    allocator.drain();
}
