//! The workloads whose instructions are counted, the same for each heap.
use std::alloc::Layout;
use std::hint::black_box;

use crate::Heap;
use crate::counts::counted;

/// Blocks of a batch.
const BATCH: usize = 1000;
/// Blocks of which every second is freed before a pair is counted.
const HOLES: usize = 30_000;

/// A workload for one thread.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Workload {
    /// A block of 16 bytes is allocated and freed.
    Pair16,
    /// A block of 64 bytes is allocated and freed.
    Pair64,
    /// A block of 1 KiB is allocated and freed.
    Pair1024,
    /// A block of 4 KiB is allocated and freed.
    Pair4096,
    /// As `Pair64`, after every second of 30,000 blocks was freed.
    PairAmongHoles,
    /// 1000 blocks of 64 bytes are allocated; the allocations are counted.
    BatchAllocate,
    /// 1000 blocks of 64 bytes are freed in the order of their allocation; the frees are counted.
    BatchFree,
}

impl Workload {
    /// All workloads, in the table's order.
    pub const ALL: [Self; 7] = [
        Self::Pair16,
        Self::Pair64,
        Self::Pair1024,
        Self::Pair4096,
        Self::PairAmongHoles,
        Self::BatchAllocate,
        Self::BatchFree,
    ];

    /// Returns the name in commands.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pair16 => "pair-16",
            Self::Pair64 => "pair-64",
            Self::Pair1024 => "pair-1024",
            Self::Pair4096 => "pair-4096",
            Self::PairAmongHoles => "pair-64-holes",
            Self::BatchAllocate => "batch-1000-allocate",
            Self::BatchFree => "batch-1000-free",
        }
    }

    /// Returns the row in the table.
    pub fn title(self) -> &'static str {
        match self {
            Self::Pair16 => "pair, 16 bytes",
            Self::Pair64 => "pair, 64 bytes",
            Self::Pair1024 => "pair, 1 KiB",
            Self::Pair4096 => "pair, 4 KiB",
            Self::PairAmongHoles => "pair, 64 bytes, after every second of 30,000 was freed",
            Self::BatchAllocate => "1000 in a row, allocate, each",
            Self::BatchFree => "1000 in a row, free, each",
        }
    }

    /// Returns the number of repeats that are counted.
    pub fn times(self) -> u64 {
        match self {
            // With holes, a pair may search a list of 15,000 blocks.
            Self::PairAmongHoles => 100,
            Self::BatchAllocate | Self::BatchFree => 5,
            _ => 1000,
        }
    }

    /// Returns the number of operations in one repeat that the table counts separately.
    pub fn operations(self) -> u64 {
        match self {
            Self::BatchAllocate | Self::BatchFree => BATCH as u64,
            _ => 1,
        }
    }

    /// Repeats the workload. What only the first repeats do is not counted.
    pub fn run(self, heap: &impl Heap, times: u64) {
        match self {
            Self::Pair16 => pairs(heap, 16, times),
            Self::Pair64 => pairs(heap, 64, times),
            Self::Pair1024 => pairs(heap, 1024, times),
            Self::Pair4096 => pairs(heap, 4096, times),
            Self::PairAmongHoles => {
                let blocks: Vec<_> = (0..HOLES).map(|_| allocate(heap, layout(64))).collect();
                blocks.iter().step_by(2).for_each(|block| free(heap, *block, layout(64)));
                pairs(heap, 64, times);
            }
            Self::BatchAllocate => batches(heap, times, Half::Allocate),
            Self::BatchFree => batches(heap, times, Half::Free),
        }
    }
}

/// Returns a layout of so many bytes.
pub fn layout(size: usize) -> Layout {
    Layout::from_size_align(size, 16).expect("16 is a power of two")
}

/// Allocates a block, by a call, as programs do it: the size is not known when the heap is compiled.
#[inline(never)]
pub fn allocate(heap: &impl Heap, layout: Layout) -> *mut u8 {
    // SAFETY: no workload asks for a size of 0.
    unsafe { heap.alloc(layout) }
}

/// Frees a block, by a call.
#[inline(never)]
pub fn free(heap: &impl Heap, block: *mut u8, layout: Layout) {
    // SAFETY: workloads free each block once, with the layout that it was allocated with.
    unsafe { heap.dealloc(block, layout) };
}

fn pairs(heap: &impl Heap, size: usize, times: u64) {
    let layout = black_box(layout(size));
    let pair = || free(heap, allocate(heap, layout), layout);
    pair();
    counted(|| (0..times).for_each(|_| pair()));
}

/// Repeats a batch. One half of it is counted.
fn batches(heap: &impl Heap, times: u64, counted_half: Half) {
    let mut blocks = [core::ptr::null_mut(); BATCH];
    let mut batch = |counted_half: Option<Half>| {
        let allocate = || blocks.iter_mut().for_each(|block| *block = allocate(heap, layout(64)));
        counted_if(counted_half == Some(Half::Allocate), allocate);
        let free = || blocks.iter().for_each(|block| free(heap, *block, layout(64)));
        counted_if(counted_half == Some(Half::Free), free);
    };
    // The second batch finds what the first has left behind.
    (0..2).for_each(|_| batch(None));
    (0..times).for_each(|_| batch(Some(counted_half)));
}

/// A half of a batch.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Half {
    Allocate,
    Free,
}

fn counted_if(condition: bool, mut work: impl FnMut()) {
    if condition { counted(work) } else { work() }
}
