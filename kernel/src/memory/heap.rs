//! The heaps: one for each node, `linked_list_allocator` over pages of that node, in a window of the address space of its
//! own that grows as needed.
//!
//! Rust's global allocator takes from the heap of the node that the running thread prefers; an address tells which heap it
//! came from. A request costs a walk over the heap's holes: memory that a hot path needs comes from the page allocator.
use super::address_space::{HEAP_WINDOW, HEAPS};
use super::page_allocator::{self, Zeroed};
use crate::arch::PageKind;
use crate::cpu::PreemptionOff;
use crate::memory::page_tables;
use crate::sync::{Rank, SpinLock};
use core::alloc::{GlobalAlloc, Layout};
use core::ptr::NonNull;
use linked_list_allocator::Heap;
use units::{FRAME_SIZE, FrameRange, MAX_NODES, NodeId, VirtAddr};

/// A heap grows by this many bytes at least.
const SMALLEST_GROWTH: u64 = 64 * 1024;

/// One node's heap. Growing takes page tables and pages under its lock.
struct NodeHeap {
    heap: Heap,
    /// Bytes of the window that are mapped.
    mapped: u64,
}

static NODE_HEAPS: [SpinLock<NodeHeap, PreemptionOff>; MAX_NODES] =
    [const { SpinLock::new(Rank::Heap, NodeHeap { heap: Heap::empty(), mapped: 0 }) }; MAX_NODES];

struct NodeHeaps;

#[global_allocator]
static GLOBAL: NodeHeaps = NodeHeaps;

// SAFETY: blocks come from `linked_list_allocator`, which keeps the promises, behind a lock, and go back to the heap whose
// window they lie in.
unsafe impl GlobalAlloc for NodeHeaps {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let node = page_allocator::home_node();
        allocate(node, layout).map_or(core::ptr::null_mut(), NonNull::as_ptr)
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if let Some(block) = NonNull::new(block) {
            // SAFETY: the caller says that the block is of this heap and layout.
            unsafe { free(block, layout) };
        }
    }
}

/// Memory from the heap of `node`, whose pages are that node's while it has any.
pub fn allocate(node: NodeId, layout: Layout) -> Option<NonNull<u8>> {
    let mut heap = NODE_HEAPS[node.index()].lock();
    if let Ok(block) = heap.heap.allocate_first_fit(layout) {
        return Some(block);
    }
    heap.grow(node, layout)?;
    heap.heap.allocate_first_fit(layout).ok()
}

/// Gives memory back to the heap it came from.
///
/// # Safety
/// `block` came from [`allocate`] with this layout and is not used any more.
#[inline]
pub unsafe fn free(block: NonNull<u8>, layout: Layout) {
    if let Some(node) = node_of_window(VirtAddr(block.as_ptr() as u64)) {
        // SAFETY: the caller vouches for the block, and its address for the heap.
        unsafe { NODE_HEAPS[node.index()].lock().heap.deallocate(block, layout) };
    }
}

/// Whether all of these bytes lie in the mapped part of one heap's window.
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
    /// Maps more of the window, enough for a block of this layout whatever the holes are.
    fn grow(&mut self, node: NodeId, layout: Layout) -> Option<()> {
        // Alignment may cost as much again, and a hole's own header some words.
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
        self.take_in(start, grown);
        (grown == bytes).then_some(())
    }

    /// Makes pages that were just mapped, behind those that the heap has, part of it. Pages that turn out not to suffice
    /// are good for smaller blocks.
    fn take_in(&mut self, start: u64, bytes: u64) {
        if bytes == 0 {
            return;
        }
        // SAFETY: the pages are mapped, and this heap's alone; they begin where those that it has end.
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

fn map_page(node: NodeId, page: VirtAddr) -> Option<()> {
    let frame = page_allocator::allocate_for_kernel(node, 1, Zeroed::No)?.frame;
    let mut table_frames = || page_allocator::allocate_table_frame(node);
    // SAFETY: the frame is fresh, and the page is the heap's.
    let mapped = unsafe {
        page_tables::map(page, FrameRange::new(frame.0, frame.0 + 1), PageKind::Data, &mut table_frames)
    };
    if mapped.is_err() {
        // The frame came from this very call, so it can be given back.
        let _ = page_allocator::free_for_kernel(frame, 1);
    }
    mapped.ok()
}
