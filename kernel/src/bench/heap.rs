//! Costs of the heap's blocks: pairs of each kind, many blocks at once, blocks that another CPU frees.
use super::{measure, report};
use crate::arch;
use crate::cpu::{self, Cpu};
use crate::memory::heap;
use crate::platform::numa_topology;
use crate::selftest::on_each_cpu;
use crate::threads::sleep;
use alloc::format;
use alloc::vec;
use alloc::vec::Vec;
use core::alloc::Layout;
use core::ptr::{NonNull, null_mut};
use core::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};
use units::NodeId;

/// The number of blocks at once.
const BATCH: usize = 1000;
/// The number of blocks of which every second one is freed, to leave holes.
const SCATTERED: usize = 30_000;
const BLOCK: Layout = Layout::new::<[u64; 8]>();

/// Measures the heap of `node`, which is the CPU's, and that of another node.
pub fn run(node: NodeId) {
    for size in [16, 64, 256, 1024, 4096, 65536] {
        if let Ok(layout) = Layout::from_size_align(size, 8) {
            measure_pair(&format!("heap.pair.{size}"), node, layout);
        }
    }
    let remote = numa_topology::get().fallback(node).get(1).copied();
    if let Some(remote) = remote {
        measure_pair("heap.pair.64.remote", remote, BLOCK);
        handed_over(remote);
    }
    batch(node);
    holes(node);
}

/// Waits until the other CPUs have drained their magazines, the trimmer has trimmed, and no line of the log waits: the clock counts all
/// their instructions. The next tick is then a millisecond away.
fn settle() {
    sleep::sleep_ns(500_000_000);
}

/// Measures allocating and freeing a block of the layout.
fn measure_pair(name: &str, node: NodeId, layout: Layout) {
    settle();
    measure(name, || {
        if let Some(block) = heap::allocate(node, layout) {
            free(block, layout);
        }
    });
}

fn free(block: NonNull<u8>, layout: Layout) {
    // SAFETY: all callers, in this file, have allocated the block with this layout, and use it no more.
    unsafe { heap::free(block, layout) };
}

fn allocate_all(node: NodeId, blocks: &mut Vec<NonNull<u8>>, count: usize) {
    blocks.extend((0..count).map_while(|_| heap::allocate(node, BLOCK)));
}

/// Measures many blocks of 64 bytes at once: the first time, for which the heap grows, and repeated.
fn batch(node: NodeId) {
    let mut blocks = vec![None; BATCH];
    settle();
    let mut measured = Vec::with_capacity(3);
    for suffix in [".first", ".second", ""] {
        let start = arch::ticks();
        for block in &mut blocks {
            *block = heap::allocate(node, BLOCK);
        }
        let allocated = arch::ticks();
        for block in blocks.iter().flatten() {
            free(*block, BLOCK);
        }
        let freed = arch::ticks();
        measured.push((suffix, allocated - start, freed - allocated));
    }
    for (suffix, allocating, freeing) in measured.into_iter().filter(|(suffix, ..)| *suffix != ".second") {
        report(&format!("heap.batch1000.alloc{suffix}"), allocating, BATCH as u64);
        report(&format!("heap.batch1000.free{suffix}"), freeing, BATCH as u64);
    }
}

/// Measures a pair while the heap has thousands of holes.
fn holes(node: NodeId) {
    let mut blocks = Vec::with_capacity(SCATTERED);
    allocate_all(node, &mut blocks, SCATTERED);
    let (freed, kept): (Vec<_>, Vec<_>) =
        blocks.into_iter().enumerate().partition(|(index, _)| index % 2 == 0);
    freed.into_iter().for_each(|(_, block)| free(block, BLOCK));
    measure_pair("heap.pair.64.holes", node, BLOCK);
    kept.into_iter().for_each(|(_, block)| free(block, BLOCK));
}

/// The blocks that a CPU of another node has allocated for the one that frees them.
static HANDED_OVER: [AtomicPtr<u8>; WARM_UP + BATCH] =
    [const { AtomicPtr::new(null_mut()) }; WARM_UP + BATCH];
/// How many of them are freed before the clock runs.
const WARM_UP: usize = 100;

/// The node whose first CPU allocates them.
static FROM: AtomicUsize = AtomicUsize::new(0);

fn allocate_to_hand_over(cpu: &Cpu) {
    let from = FROM.load(Ordering::Relaxed);
    let is_first_of_node =
        || cpu::online().find(|other| other.node.index() == from).is_some_and(|first| first.id == cpu.id);
    for place in HANDED_OVER.iter().filter(|_| is_first_of_node()) {
        let block = heap::allocate(cpu.node, BLOCK).map_or(null_mut(), NonNull::as_ptr);
        place.store(block, Ordering::Release);
    }
}

/// Measures freeing blocks that a CPU of node `from` has allocated of its own node. The first of them make the magazine.
fn handed_over(from: NodeId) {
    FROM.store(from.index(), Ordering::Relaxed);
    on_each_cpu::run_on_each_cpu(allocate_to_hand_over);
    settle();
    let take = |place: &AtomicPtr<u8>| NonNull::new(place.swap(null_mut(), Ordering::Acquire));
    let mut blocks = HANDED_OVER.iter().filter_map(take);
    blocks.by_ref().take(WARM_UP).for_each(|block| free(block, BLOCK));
    let start = arch::ticks();
    let count = blocks.map(|block| free(block, BLOCK)).count();
    report("heap.free.handed_over", arch::ticks() - start, count.max(1) as u64);
}
