//! The heaps, one for each node: `linked_list_allocator` over pages of the node, in a window of the address space that belongs to
//! the node. A heap grows when it has no hole that is large enough.
//!
//! All pages of a heap are of its node. If a node has not enough memory, the nearest node's heap serves the request. A heap that
//! has grown keeps its pages: `linked_list_allocator` cannot return them. A growth that fails has changed nothing.
//!
//! Rust's global allocator takes memory from the heap of the running thread's home node. A block's address says which heap the
//! block came from. A request walks the heap's holes, so hot paths take memory from the page allocator instead.
use super::fail_allocation;
use super::frame_chain::FrameChain;
use super::frames;
use super::memory_context::MemoryContext;
use super::page_tables;
use crate::arch::PageKind;
use crate::cpu::PreemptionOff;
use crate::platform::numa_topology;
use crate::sync::{Rank, SpinLock};
use ::address_space::layout::{HEAP_WINDOW, HEAPS};
use core::alloc::{GlobalAlloc, Layout};
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU64, Ordering};
use linked_list_allocator::Heap;
use units::{FRAME_SIZE, FrameRange, MAX_NODES, NodeId, VirtAddr};

/// The number of bytes that a heap grows by, if the request needs no more and the node has them.
const USUAL_GROWTH: u64 = 64 * 1024;
/// The bytes that a page table of each level stands for, except for the root.
const TABLE_BYTES: [u64; 3] = [2 << 20, 1 << 30, 512 << 30];

/// One node's heap.
struct NodeHeap {
    /// The blocks and holes.
    blocks: SpinLock<Heap, PreemptionOff>,
    /// The right to map pages of the window, behind those that are mapped.
    growing: SpinLock<(), PreemptionOff>,
    /// How many bytes at the beginning of the window are mapped. Written with `growing` held.
    mapped: AtomicU64,
}

static NODE_HEAPS: [NodeHeap; MAX_NODES] = [const {
    NodeHeap {
        blocks: SpinLock::new(Rank::Heap, Heap::empty()),
        growing: SpinLock::new(Rank::HeapGrowth, ()),
        mapped: AtomicU64::new(0),
    }
}; MAX_NODES];

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

/// Allocates memory from the heap of `node`, or from the heap of the nearest node that has enough memory. `None` means that no
/// node has enough; then no page was allocated.
pub fn allocate(node: NodeId, layout: Layout) -> Option<NonNull<u8>> {
    if fail_allocation::is_heap_due(layout) {
        return None;
    }
    match NODE_HEAPS[node.index()].allocate(layout) {
        Some(block) => Some(block),
        None => allocate_by_growing(node, layout),
    }
}

/// Allocates memory from the heap of `node`, which grows, or else from the heap of the nearest node that has enough memory.
#[cold]
#[inline(never)]
fn allocate_by_growing(node: NodeId, layout: Layout) -> Option<NonNull<u8>> {
    NODE_HEAPS[node.index()].allocate_or_grow(node, layout).or_else(|| {
        let others = numa_topology::get().fallback(node).iter().filter(|other| **other != node);
        others.copied().find_map(|other| NODE_HEAPS[other.index()].allocate_or_grow(other, layout))
    })
}

/// Frees memory: returns it to the heap that it came from.
///
/// # Safety
/// [`allocate()`] has returned `block` for this layout, and nothing uses it any more.
#[inline]
pub unsafe fn free(block: NonNull<u8>, layout: Layout) {
    if let Some(node) = node_of_window(VirtAddr(block.as_ptr() as u64)) {
        // SAFETY: by `# Safety` the block came from a heap with this layout, and its address is in the window of this heap.
        unsafe { NODE_HEAPS[node.index()].blocks.lock().deallocate(block, layout) };
    }
}

/// Returns true if all of these bytes lie in the mapped part of one heap's window.
pub fn owns(address: VirtAddr, length: u64) -> bool {
    let Some(node) = node_of_window(address) else { return false };
    let mapped = mapped_bytes(node);
    let offset = address.0 - window(node).0;
    offset < mapped && length <= mapped - offset
}

/// Returns how many bytes of memory the heap of `node` has, in blocks and holes.
pub fn mapped_bytes(node: NodeId) -> u64 {
    NODE_HEAPS[node.index()].mapped.load(Ordering::Acquire)
}

fn window(node: NodeId) -> VirtAddr {
    VirtAddr(HEAPS.0 + node.index() as u64 * HEAP_WINDOW)
}

fn node_of_window(address: VirtAddr) -> Option<NodeId> {
    let index = address.0.checked_sub(HEAPS.0)? / HEAP_WINDOW;
    NodeId::new(usize::try_from(index).ok()?)
}

impl NodeHeap {
    /// Allocates memory from a hole.
    #[inline]
    fn allocate(&self, layout: Layout) -> Option<NonNull<u8>> {
        self.blocks.lock().allocate_first_fit(layout).ok()
    }

    /// Allocates memory from a hole, and grows until there is one that is large enough. `None` means that the heap cannot grow.
    fn allocate_or_grow(&self, node: NodeId, layout: Layout) -> Option<NonNull<u8>> {
        loop {
            if let Some(block) = self.allocate(layout) {
                return Some(block);
            }
            // Another CPU may take the new memory first. The loop ends when the node has no more.
            self.grow_for(node, layout)?;
        }
    }

    /// Grows enough for a block of this layout, or finds that another CPU has grown the heap meanwhile. `None` means that the
    /// node has not enough memory, or the window not enough room; then nothing is changed.
    fn grow_for(&self, node: NodeId, layout: Layout) -> Option<()> {
        // Aligning the block may waste as many bytes as its alignment, and the allocator keeps some words in a hole.
        let wanted = (layout.size() as u64).checked_add(layout.align() as u64)?.checked_add(64)?;
        let least = wanted.checked_next_multiple_of(FRAME_SIZE)?;
        self.grow(node, least.max(USUAL_GROWTH)).or_else(|| self.grow(node, least))
    }

    /// Grows by `bytes` bytes, as [`NodeHeap::grow_for`] does. All frames are allocated before any page is mapped, so that
    /// nothing has to be undone, and without a lock.
    fn grow(&self, node: NodeId, bytes: u64) -> Option<()> {
        let mapped = self.mapped.load(Ordering::Acquire);
        if bytes > HEAP_WINDOW - mapped {
            return None;
        }
        let needed = bytes / FRAME_SIZE + missing_tables(mapped, bytes);
        if frames::node_stats(node).free < needed {
            return None;
        }
        let frames = FrameChain::allocate_on(node, needed)?;
        let _growing = self.growing.lock();
        // If another CPU was faster, what it has added may be enough.
        if self.mapped.load(Ordering::Relaxed) == mapped { self.map(node, bytes, frames) } else { Some(()) }
    }

    /// Maps `bytes` bytes behind the mapped ones to these frames, and adds them to the heap. The caller holds `growing`.
    fn map(&self, node: NodeId, bytes: u64, mut frames: FrameChain) -> Option<()> {
        let mapped = self.mapped.load(Ordering::Relaxed);
        let start = window(node).0 + mapped;
        let mut grown = 0;
        while grown < bytes
            && let Some(frame) = frames.pop()
        {
            let page = VirtAddr(start + grown);
            let range = FrameRange::new(frame.0, frame.0 + 1);
            // SAFETY: the frame comes from the chain, so nothing else uses it. The page lies in the heap's window behind its
            // mapped part, and the caller holds the right to map it. Table frames come from the chain and are never freed.
            let done = unsafe { page_tables::map_with(page, range, PageKind::Data, &mut frames) };
            debug_assert!(done.is_ok(), "the chain has a frame for each page and each table: {done:?}");
            if done.is_err() {
                break;
            }
            grown += FRAME_SIZE;
        }
        // Before the heap has the memory: a block of it may be freed at once, and `owns` is asked about it.
        self.mapped.store(mapped + grown, Ordering::Release);
        self.add(mapped, start, grown);
        (grown == bytes).then_some(())
    }

    /// Makes `bytes` bytes from `start` on part of the heap, which has `mapped` bytes before them.
    fn add(&self, mapped: u64, start: u64, bytes: u64) {
        if bytes == 0 {
            return;
        }
        let mut heap = self.blocks.lock();
        // SAFETY: `map` has mapped the bytes, right behind the heap's other memory. Only the heap uses its window.
        unsafe {
            if mapped == 0 {
                heap.init(core::ptr::with_exposed_provenance_mut(start as usize), bytes as usize);
            } else {
                heap.extend(bytes as usize);
            }
        }
    }
}

/// Returns the most page tables that are missing for `bytes` bytes behind the first `mapped` bytes of a window.
fn missing_tables(mapped: u64, bytes: u64) -> u64 {
    let tables = |end: u64| TABLE_BYTES.map(|table| end.div_ceil(table)).iter().sum::<u64>();
    tables(mapped + bytes) - tables(mapped)
}
