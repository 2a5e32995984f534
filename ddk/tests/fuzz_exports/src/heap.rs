//! Blocks of the heap: aligned, and nobody else's.
use crate::worker::{MOST_HELD, Worker, check};
use core::ffi::c_void;
use driver_kit::abi;

/// A block that a call has granted.
pub struct Block {
    memory: *mut u8,
    pub size: usize,
    stamp: u64,
}

pub fn step(worker: &mut Worker) {
    match worker.random.below(10) {
        0..5 if worker.blocks.len() < MOST_HELD => allocate(worker),
        0..8 if !worker.blocks.is_empty() => free(worker),
        8 => refused(worker),
        _ => refused_frees(worker),
    }
}

fn allocate(worker: &mut Worker) {
    let largest = worker.random.pick(&[64, 512, 4096, 4096, 1 << 16, 1 << 21]);
    let size = worker.random.sized(largest) as usize;
    let exponent = worker.random.below(13);
    let alignment = worker.random.pick(&[0, 0, 1 << exponent, 1 << exponent, 2 << 20]);
    let node = worker.random.below(crate::nodes() as u64) as i32;
    worker.count(1);
    // SAFETY: the functions take any numbers.
    let memory = unsafe {
        match worker.random.below(2) {
            0 => abi::Kernel_AllocateMemory(size, alignment),
            _ => abi::Kernel_AllocateMemoryFromNode(size, alignment, node),
        }
    }
    .cast::<u8>();
    if memory.is_null() {
        return;
    }
    check!(worker, memory.addr().is_multiple_of(if alignment == 0 { 16 } else { alignment }));
    let stamp = worker.stamp();
    // SAFETY: the kernel has granted the block.
    unsafe { mark(memory, size, stamp) };
    worker.blocks.push(Block { memory, size, stamp });
}

/// The bytes of a mark at both ends of a block, which may overlap.
fn ends(size: usize) -> (usize, usize) {
    (size.min(8), size - size.min(8))
}

unsafe fn mark(memory: *mut u8, size: usize, stamp: u64) {
    let (length, last) = ends(size);
    for offset in [last, 0] {
        // SAFETY: the bytes lie in the block.
        unsafe { core::ptr::copy_nonoverlapping(stamp.to_le_bytes().as_ptr(), memory.add(offset), length) };
    }
}

unsafe fn is_marked(block: &Block) -> bool {
    let (length, last) = ends(block.size);
    let holds = |offset: usize, from: usize| {
        // SAFETY: the bytes lie in the block.
        let bytes = unsafe { core::slice::from_raw_parts(block.memory.add(offset + from), length - from) };
        bytes == &block.stamp.to_le_bytes()[from..length]
    };
    // The mark at the beginning was written last, over the other one.
    holds(0, 0) && holds(last, length.saturating_sub(last).min(length))
}

/// Frees a block that the worker holds, which must be as it has left it.
pub fn free(worker: &mut Worker) {
    let index = worker.random.index(worker.blocks.len());
    let block = worker.blocks.swap_remove(index);
    // SAFETY: the kernel has granted the block, and the worker has not freed it.
    check!(worker, unsafe { is_marked(&block) });
    worker.count(1);
    // SAFETY: nothing else uses the block.
    unsafe { abi::Kernel_FreeMemory(block.memory.cast()) };
}

fn refused(worker: &mut Worker) {
    let node = worker.random.no_index(crate::nodes());
    let alignment = worker.random.pick(&[3, 4 << 20, usize::MAX, 24]);
    let size = worker.random.pick(&[1 << 50, usize::MAX, usize::MAX - 4096]);
    worker.count(5);
    // SAFETY: the functions take any numbers.
    unsafe {
        check!(worker, abi::Kernel_AllocateMemory(0, 0).is_null());
        check!(worker, abi::Kernel_AllocateMemory(64, alignment).is_null());
        check!(worker, abi::Kernel_AllocateMemory(size, 0).is_null());
        check!(worker, abi::Kernel_AllocateMemoryFromNode(64, 0, node).is_null());
        check!(worker, abi::Kernel_AllocateMemoryFromNode(size, 0, 0).is_null());
    }
}

/// Frees that change nothing: a block of this driver that is freed later proves it, and the hostage at the end of its driver.
fn refused_frees(worker: &mut Worker) {
    let mut local = 0u64;
    let inside = worker
        .blocks
        .last()
        .map_or(core::ptr::null_mut(), |block| block.memory.wrapping_add(block.size / 2 + 1));
    let unmapped = crate::addresses::unmapped::<c_void>(&mut worker.random);
    worker.count(4);
    // SAFETY: the function follows no pointer that is no block of the driver, and the one inside a block is none.
    unsafe {
        abi::Kernel_FreeMemory(core::ptr::null_mut());
        abi::Kernel_FreeMemory(unmapped);
        abi::Kernel_FreeMemory((&raw mut local).cast());
        abi::Kernel_FreeMemory(worker.hostages.block());
        abi::Kernel_FreeMemory(inside.cast());
    }
    check!(worker, worker.hostages.block_is_whole());
}
