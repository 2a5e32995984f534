//! Each node's heap is in the node's memory, grows for all CPUs at once, and is unchanged when it cannot grow.
use super::on_each_cpu;
use super::{Outcome, Work, ensure};
use crate::cpu::Cpu;
use crate::memory::{early_heap, frames, heap, page_tables};
use crate::platform::numa_topology;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use arrayvec::ArrayVec;
use core::alloc::Layout;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU64, Ordering};
use node_heap::{OWNERS, OwnerId};
use units::{FRAME_SIZE, FrameNumber, MAX_NODES, NodeId, VirtAddr};

/// Checks that, on each node that has enough memory, every page of a block from the node's heap is on the node.
pub fn come_from_their_node() -> Result<Work, String> {
    let mut done = false;
    let layout = Layout::from_size_align(5 * 4096, 64).map_err(|_| "no such layout")?;
    for node in numa_topology::get().nodes() {
        if frames::node_stats(node.id).free < 64 {
            continue;
        }
        let block = heap::allocate(node.id, layout).ok_or("no block to be had")?;
        let start = block.as_ptr() as u64;
        ensure!(start.is_multiple_of(64), "a block for 64-byte alignment is at {start:#x}");
        for address in (start..start + layout.size() as u64).step_by(4096) {
            let physical =
                page_tables::translate(VirtAddr(address)).ok_or("a part of a block is not mapped")?;
            let on = frames::node_of(FrameNumber::containing(physical));
            ensure!(on == Some(node.id), "a block of node {}'s heap is on {on:?}", node.id);
        }
        // SAFETY: `allocate` has returned the block for this layout above, and nothing uses it.
        unsafe { heap::free(block, layout) };
        done = true;
    }
    Ok(Work::done_if(done, "no node has 64 free pages"))
}

/// Returns, for each node, its free pages and those that its heap has.
fn state() -> ArrayVec<(u64, u32), MAX_NODES> {
    let state_of = |node: NodeId| (frames::node_stats(node).free, heap::stats(node).frames);
    numa_topology::get().nodes().iter().map(|node| state_of(node.id)).collect()
}

/// Requests that no node can serve, from slightly more than the node with most memory has to the largest, are refused and change
/// no node and no heap.
pub fn are_unchanged_by_refusals() -> Outcome {
    let before = state();
    let most = before.iter().map(|(free, _)| free * FRAME_SIZE).max().unwrap_or(0) as usize;
    for node in numa_topology::get().nodes() {
        for size in [most, most + 1, most + 4096, 2 * most, 1 << 40, isize::MAX as usize / 2] {
            for alignment in [16, 4096, 2 << 20] {
                let layout = Layout::from_size_align(size, alignment).map_err(|_| "no such layout")?;
                let block = heap::allocate(node.id, layout);
                ensure!(block.is_none(), "{size} bytes of at most {most} were granted");
                let after = state();
                ensure!(
                    after == before,
                    "{size} bytes were refused; (free pages, pages of the heap) was {before:?}, and now is {after:?}"
                );
            }
        }
    }
    Ok(())
}

/// The blocks that each CPU holds at a time, of a size for which a heap grows.
const BLOCKS: usize = 4;
const BLOCK: Layout = Layout::new::<[u64; 8 * 1024]>();

/// The blocks that were not to be had, and the words that another CPU has written.
static MISSING: AtomicU64 = AtomicU64::new(0);
static FOREIGN: AtomicU64 = AtomicU64::new(0);

/// All CPUs together take blocks for which one node's heap has to grow, and write to all of their words. No two get the same word.
pub fn grow_for_all_cpus_at_once() -> Outcome {
    MISSING.store(0, Ordering::Relaxed);
    FOREIGN.store(0, Ordering::Relaxed);
    on_each_cpu::run_on_each_cpu(fill_blocks);
    let (missing, foreign) = (MISSING.load(Ordering::Relaxed), FOREIGN.load(Ordering::Relaxed));
    ensure!(missing == 0, "{missing} blocks were not to be had");
    ensure!(foreign == 0, "{foreign} words of blocks belonged to two CPUs at once");
    Ok(())
}

/// Has the heaps return what they can, and returns the frames that each heap then has: those with blocks in use.
pub fn settled_frames() -> ArrayVec<u32, MAX_NODES> {
    heap::settle();
    numa_topology::get().nodes().iter().map(|node| heap::stats(node.id).frames).collect()
}

/// The number of blocks of each size that [`return_all_frames`] allocates.
const MANY: usize = 300;

/// After blocks of many sizes of each node were allocated and freed, no heap has more frames than before.
pub fn return_all_frames() -> Outcome {
    let mut blocks = Vec::with_capacity(MANY);
    let before = settled_frames();
    for node in numa_topology::get().nodes() {
        for size in [1, 64, 200, 1000, 4096] {
            let layout = Layout::from_size_align(size, 8).map_err(|_| "no such layout")?;
            blocks.extend((0..MANY).map_while(|_| heap::allocate(node.id, layout)));
            for block in blocks.drain(..) {
                // SAFETY: `allocate` has returned the block for this layout, and nothing uses it.
                unsafe { heap::free(block, layout) };
            }
        }
    }
    let after = settled_frames();
    ensure!(after == before, "frames of the heaps before {before:?}, after {after:?}");
    Ok(())
}

/// A free of another owner's block, of a block that is free, of an address inside of a block and of a wild address is refused.
pub fn refuse_wrong_frees() -> Outcome {
    // Drivers are loaded later, so these owners have no blocks.
    let (Some(owner), Some(other)) = (OwnerId::new(OWNERS - 1), OwnerId::new(OWNERS - 2)) else {
        return Err("there are too few owners".into());
    };
    for size in [40, 4096, 5 * 4096] {
        let layout = Layout::from_size_align(size, 16).map_err(|_| "no such layout")?;
        let block = heap::allocate_for(owner, NodeId::ZERO, layout).ok_or("no block to be had")?;
        let inside = block.map_addr(|address| address.saturating_add(32));
        ensure!(heap::free_of(other, block).is_err(), "another owner has freed a block of {size} bytes");
        ensure!(heap::free_of(owner, inside).is_err(), "an address inside of {size} bytes was freed");
        ensure!(heap::free_of(owner, block).is_ok(), "a block of {size} bytes was not freed");
        ensure!(heap::free_of(owner, block).is_err(), "a block of {size} bytes was freed twice");
        let lost = heap::allocate_for(owner, NodeId::ZERO, layout).ok_or("no block to be had")?;
        let taken_back = heap::take_back_all(owner);
        ensure!(taken_back == 1, "{taken_back} blocks of one were taken back");
        ensure!(heap::free_of(owner, lost).is_err(), "a block that was taken back was freed");
    }
    for wild in [NonNull::dangling(), NonNull::<u64>::dangling().cast()] {
        ensure!(heap::free_of(owner, wild).is_err(), "{wild:p} was freed");
    }
    Ok(())
}

fn fill_blocks(cpu: &Cpu) {
    let mark = |block: usize| u64::from(cpu.id.0) << 32 | block as u64;
    let mut blocks = ArrayVec::<_, BLOCKS>::new();
    for index in 0..BLOCKS {
        let Some(block) = heap::allocate(NodeId::ZERO, BLOCK) else {
            MISSING.fetch_add(1, Ordering::Relaxed);
            break;
        };
        // SAFETY: `allocate` has returned the words for this CPU alone, and any number is a value of theirs.
        let words =
            unsafe { core::slice::from_raw_parts_mut(block.as_ptr().cast::<u64>(), BLOCK.size() / 8) };
        words.fill(mark(index));
        blocks.push((block, words));
    }
    for (index, (block, words)) in blocks.into_iter().enumerate() {
        let foreign = words.iter().filter(|word| **word != mark(index)).count();
        FOREIGN.fetch_add(foreign as u64, Ordering::Relaxed);
        // SAFETY: `allocate` has returned the block for this layout, and the slice of its words is not used after this line.
        unsafe { heap::free(block, BLOCK) };
    }
}

/// Blocks of the early heap that are freed after the nodes' heaps exist go back to it.
pub fn early_blocks_go_back() -> Outcome {
    let before = early_heap::used();
    let layout = Layout::from_size_align(100, 64).expect("64 is a power of two");
    let block = early_heap::allocate(layout).ok_or("the early heap has no memory")?;
    if before == early_heap::used() || !early_heap::contains(block) {
        return Err(format!("the early heap does not know its block at {block:p}"));
    }
    // SAFETY: the line above has allocated the block for this layout, and nothing uses it. Rust's allocator serves from the early heap,
    // too, so it takes such blocks back.
    unsafe { alloc::alloc::dealloc(block.as_ptr(), layout) };
    let after = early_heap::used();
    if after == before {
        Ok(())
    } else {
        Err(format!("{before} bytes were in use before, and {after} are now"))
    }
}
