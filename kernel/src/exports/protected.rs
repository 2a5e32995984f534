//! The exports that grant memory, where keys protect it: what they grant gets the key of the calling driver, and what it frees gets that of
//! the kernel.
use super::memory::{self, NO_PAGE};
use super::{caller, dma, numa, pages, thread_only};
use crate::memory::heap;
use crate::memory::memory_context::MemoryContext;
use crate::memory::protection;
use abi::{DmaGrant, DmaRequest, PageGrant, PageRequest};
use core::ffi::{c_int, c_void};
use core::ptr::null_mut;
use page_alloc::Grant;
use units::{FRAME_SIZE, FrameNumber, NodeId, PhysAddr, VirtAddr};

fn frame_at(address: u64) -> FrameNumber {
    FrameNumber::containing(PhysAddr(address))
}

/// Makes pages that were just granted the calling driver's. Frees them if there is no memory for page tables. Returns the address, or that
/// of no page.
#[inline]
fn give(page: u64, count: u64) -> u64 {
    if page == NO_PAGE || protection::give_frames(frame_at(page), count, caller::key()) {
        return page;
    }
    pages::free_pages(page, count);
    NO_PAGE
}

pub extern "C" fn allocate_page() -> u64 {
    give(pages::allocate_page(), 1)
}

pub extern "C" fn allocate_page_local() -> u64 {
    give(pages::allocate_page_local(), 1)
}

pub extern "C" fn allocate_page_from_node(node: c_int) -> u64 {
    give(pages::allocate_page_from_node(node), 1)
}

pub extern "C" fn allocate_pages_from_node(count: u64, node: c_int) -> u64 {
    give(pages::allocate_pages_from_node(count, node), count)
}

pub unsafe extern "C" fn allocate_pages(request: *const PageRequest, grant: *mut PageGrant) -> bool {
    if thread_only::is_no_thread() {
        return thread_only::refuse_call("Kernel_AllocatePages");
    }
    // SAFETY: the condition of all exports (see the folder's `mod.rs`).
    unsafe { pages::allocate_if(request, grant, give_grant) }
}

/// Makes what was granted the calling driver's. Returns false if there is no memory for page tables.
fn give_grant(granted: &Grant) -> bool {
    protection::give_frames(granted.frame, granted.count, caller::key())
}

pub extern "C" fn free_page(page: u64) -> bool {
    take(page, 1, || pages::free_page(page))
}

pub extern "C" fn free_pages(page: u64, count: u64) -> bool {
    take(page, count, || pages::free_pages(page, count))
}

/// Makes pages the kernel's and frees them, if they are the calling driver's. Otherwise the free is refused.
#[inline]
fn take(page: u64, count: u64, free: impl FnOnce() -> bool) -> bool {
    let (first, key) = (frame_at(page), caller::key());
    // First, since the pages may be another driver's as soon as they are free.
    if !page.is_multiple_of(FRAME_SIZE) || !protection::take_frames_with(first, count, key) {
        return free();
    }
    let is_freed = free();
    if !is_freed {
        protection::give_frames(first, count, key);
    }
    is_freed
}

pub extern "C" fn allocate_memory(size: usize, alignment: usize) -> *mut c_void {
    if !thread_only::is_thread("Kernel_AllocateMemory") {
        return null_mut();
    }
    allocate_block(size, alignment, MemoryContext::current().home_node()).unwrap_or(null_mut())
}

pub extern "C" fn allocate_memory_from_node(size: usize, alignment: usize, node: c_int) -> *mut c_void {
    if !thread_only::is_thread("Kernel_AllocateMemoryFromNode") {
        return null_mut();
    }
    let block = numa::node_from(node).and_then(|node| allocate_block(size, alignment, node));
    block.unwrap_or(null_mut())
}

/// Allocates a block for the calling driver, and gives its page the driver's key, or its pages: all blocks of a page have one owner.
fn allocate_block(size: usize, alignment: usize, node: NodeId) -> Option<*mut c_void> {
    let layout = memory::layout_of(size, alignment)?;
    let owner = memory::heap_owner();
    let block = heap::allocate_for(owner, node, layout)?;
    if !protection::give_bytes(VirtAddr(block.addr().get() as u64), layout.size() as u64, caller::key()) {
        let _ = heap::free_of(owner, block);
        return None;
    }
    Some(block.as_ptr().cast())
}

pub unsafe extern "C" fn allocate_dma(request: *const DmaRequest, grant: *mut DmaGrant) -> bool {
    // SAFETY: the condition of all exports.
    unsafe { dma::allocate_if(request, grant, give_grant) }
}
