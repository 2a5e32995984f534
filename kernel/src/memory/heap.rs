//! The heaps, one for each node: `linked_list_allocator` over pages of the node, in a window of the address space that belongs to
//! the node. A heap grows when it has no hole that is large enough.
//!
//! Rust's global allocator takes memory from the heap of the running thread's home node. A block's address says which heap the
//! block came from. A request walks the heap's holes, so hot paths take memory from the page allocator instead.
use super::allocate::{self, Zeroed};
use super::memory_context::MemoryContext;
use super::page_tables;
use crate::arch::PageKind;
use crate::cpu::PreemptionOff;
use crate::sync::{Rank, SpinLock};
use ::address_space::layout::{HEAP_WINDOW, HEAPS};
use core::alloc::{GlobalAlloc, Layout};
use core::ptr::NonNull;
use linked_list_allocator::Heap;
use units::{FRAME_SIZE, FrameRange, MAX_NODES, NodeId, VirtAddr};

/// The least number of bytes that a heap grows by.
const SMALLEST_GROWTH: u64 = 64 * 1024;

/// One node's heap. It allocates pages and changes page tables under its lock.
struct NodeHeap {
    heap: Heap,
    /// How many bytes at the beginning of the window are mapped. All of them are part of `heap`.
    mapped: u64,
}

static NODE_HEAPS: [SpinLock<NodeHeap, PreemptionOff>; MAX_NODES] =
    [const { SpinLock::new(Rank::Heap, NodeHeap { heap: Heap::empty(), mapped: 0 }) }; MAX_NODES];

struct NodeHeaps;

#[global_allocator]
static GLOBAL: NodeHeaps = NodeHeaps;

// SAFETY: `linked_list_allocator` returns blocks of the layout asked for that do not overlap, and each heap is used under its
// lock. A block's address says which heap it came from, as the windows do not overlap. Nothing here unwinds.
unsafe impl GlobalAlloc for NodeHeaps {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let node = MemoryContext::current().home_node();
        allocate(node, layout).map_or(core::ptr::null_mut(), NonNull::as_ptr)
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if let Some(block) = NonNull::new(block) {
            // SAFETY: by the conditions of `dealloc`, `alloc` has returned the block for this layout, and nothing uses it.
            unsafe { free(block, layout) };
        }
    }
}

/// Allocates memory from the heap of `node`. A heap's pages are of its node, or of the nearest one with free pages.
pub fn allocate(node: NodeId, layout: Layout) -> Option<NonNull<u8>> {
    let mut heap = NODE_HEAPS[node.index()].lock();
    if let Ok(block) = heap.heap.allocate_first_fit(layout) {
        return Some(block);
    }
    heap.grow(node, layout)?;
    heap.heap.allocate_first_fit(layout).ok()
}

/// Frees memory: returns it to the heap that it came from.
///
/// # Safety
/// [`allocate`] has returned `block` for this layout, and nothing uses it any more.
#[inline]
pub unsafe fn free(block: NonNull<u8>, layout: Layout) {
    if let Some(node) = node_of_window(VirtAddr(block.as_ptr() as u64)) {
        // SAFETY: by `# Safety` the block came from a heap with this layout, and its address is in the window of this heap.
        unsafe { NODE_HEAPS[node.index()].lock().heap.deallocate(block, layout) };
    }
}

/// Returns true if all of these bytes lie in the mapped part of one heap's window.
pub fn owns(address: VirtAddr, length: u64) -> bool {
    let Some(node) = node_of_window(address) else { return false };
    let mapped = NODE_HEAPS[node.index()].lock().mapped;
    let offset = address.0 - window(node).0;
    offset < mapped && length <= mapped - offset
}

fn window(node: NodeId) -> VirtAddr {
    VirtAddr(HEAPS.0 + node.index() as u64 * HEAP_WINDOW)
}

fn node_of_window(address: VirtAddr) -> Option<NodeId> {
    let index = address.0.checked_sub(HEAPS.0)? / HEAP_WINDOW;
    NodeId::new(usize::try_from(index).ok()?)
}

impl NodeHeap {
    /// Maps more of the window, enough for a block of this layout. `None` means that there is not enough memory, or no room in
    /// the window; pages that could be mapped all the same serve smaller blocks.
    fn grow(&mut self, node: NodeId, layout: Layout) -> Option<()> {
        // Aligning the block may waste as many bytes as its alignment, and the allocator keeps some words in a hole.
        let wanted = (layout.size() as u64).checked_add(layout.align() as u64)?.checked_add(64)?;
        let bytes = wanted.max(SMALLEST_GROWTH).checked_next_multiple_of(FRAME_SIZE)?;
        if bytes > HEAP_WINDOW - self.mapped {
            return None;
        }
        let start = window(node).0 + self.mapped;
        let mut grown = 0;
        while grown < bytes && map_page(node, VirtAddr(start + grown)).is_some() {
            grown += FRAME_SIZE;
        }
        self.extend(start, grown);
        (grown == bytes).then_some(())
    }

    /// Makes `bytes` bytes from `start` on part of the heap. `grow` has just mapped them, behind the heap's other pages.
    fn extend(&mut self, start: u64, bytes: u64) {
        if bytes == 0 {
            return;
        }
        // SAFETY: `grow` has mapped the bytes, at the end of the mapped part of this heap's window. Only the heap uses the window.
        unsafe {
            if self.mapped == 0 {
                self.heap.init(core::ptr::with_exposed_provenance_mut(start as usize), bytes as usize);
            } else {
                self.heap.extend(bytes as usize);
            }
        }
        self.mapped += bytes;
    }
}

/// Maps a page of a heap's window to a frame of `node`, or of the nearest node with a free frame.
fn map_page(node: NodeId, page: VirtAddr) -> Option<()> {
    let frame = allocate::allocate_for_kernel(node, 1, Zeroed::No)?.frame;
    let mut table_frames = || allocate::allocate_table_frame(node);
    // SAFETY: the line above has allocated the frame. The page lies in a heap's window behind its mapped part, and the caller holds
    // that heap's lock. Table frames are never freed.
    let mapped = unsafe {
        page_tables::map(page, FrameRange::new(frame.0, frame.0 + 1), PageKind::Data, &mut table_frames)
    };
    if mapped.is_err() {
        // This cannot be refused: the frame was allocated above, and is mapped nowhere.
        let _ = allocate::free_for_kernel(frame, 1);
    }
    mapped.ok()
}
