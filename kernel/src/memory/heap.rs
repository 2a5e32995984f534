//! The heaps, one for each node: `node-heap` over frames of the node, in a window of the address space that belongs to the node.
//!
//! A block of up to 4 KiB comes from a magazine of the running CPU, or from a slab of the node. A larger one is pages of its own
//! ([`large_blocks`]). A heap grows by a frame at a time, outside of its lock, and [`trim`] returns the frames that it does not need.
//! If a node has not enough memory, the nearest node that has some serves the request. A request that fails has changed nothing.
//!
//! Rust's global allocator takes memory from the heap of the running thread's home node, and before there are heaps from the boot
//! CPU's early heap.
use super::cpu_memory;
use super::early_heap;
use super::fail_allocation;
use super::heap_drain;
use super::heap_lock::HeapLock;
use super::heap_nodes::{self, heaps};
use super::heap_windows::HeapFrames;
use super::large_blocks;
use super::memory_context::MemoryContext;
use crate::cpu::{self, PreemptionOff};
use crate::platform::numa_topology;
use core::alloc::{GlobalAlloc, Layout};
use core::ptr::NonNull;
use node_heap::{AtHand, Class, CpuHeap, FreeError, GRANULE, LARGEST_BLOCK, OwnerId};
use units::NodeId;

pub use super::heap_drain::{drain_some, has_magazines};
pub use super::heap_nodes::{attach, init, stats};
pub use super::heap_trim::{reclaim, settle, trim};

struct KernelHeap;

#[global_allocator]
static GLOBAL: KernelHeap = KernelHeap;

// SAFETY: `node-heap` and the page allocator return blocks of the layout asked for that do not overlap, and refuse to free what is
// none. Nothing here unwinds.
unsafe impl GlobalAlloc for KernelHeap {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if MemoryContext::current().takes_local_memory()
            && layout.align() <= GRANULE
            && let Some(block) = take_at_hand(Class::of_size(layout.size()))
        {
            return block.as_ptr();
        }
        if heap_nodes::made().is_none() {
            return early_heap::allocate(layout).map_or(core::ptr::null_mut(), NonNull::as_ptr);
        }
        let node = MemoryContext::current().home_node();
        allocate(node, layout).map_or(core::ptr::null_mut(), NonNull::as_ptr)
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if let Some(block) = NonNull::new(block) {
            // SAFETY: by the conditions of `dealloc`, `alloc` has returned the block for this layout, and nothing uses it.
            unsafe { free(block, layout) };
        }
    }
}

/// Allocates a block of the kernel and the CPU's node, if the CPU has one at hand.
#[inline(always)]
fn take_at_hand(class: Option<Class>) -> Option<NonNull<u8>> {
    cpu_memory::heap(&PreemptionOff::new()).take_at_hand(class)
}

/// Allocates memory from the heap of `node`, or from the heap of the nearest node that has enough memory. `None` means that no
/// node has enough.
#[inline(never)]
pub fn allocate(node: NodeId, layout: Layout) -> Option<NonNull<u8>> {
    if layout.align() > GRANULE {
        return allocate_slowly(node, layout, OwnerId::KERNEL);
    }
    let class = Class::of_size(layout.size());
    let off = PreemptionOff::new();
    let heap = cpu_memory::heap(&off);
    if heap.node() != node.index() {
        return allocate_elsewhere(node, layout, class, off);
    }
    match heap.take_at_hand(class) {
        Some(block) => allocated(block, off),
        None => allocate_beyond(node, layout, off),
    }
}

/// Allocates a block of a node that is not the CPU's. As [`allocate()`], it needs no stack: each call is its last step.
#[inline(never)]
fn allocate_elsewhere(
    node: NodeId,
    layout: Layout,
    class: Option<Class>,
    off: PreemptionOff,
) -> Option<NonNull<u8>> {
    match cpu_memory::heap(&off).take_at_hand_of(node.index(), class) {
        Some(block) => allocated(block, off),
        None => allocate_beyond(node, layout, off),
    }
}

/// Ends the stretch without preemption in which the block was allocated.
#[inline(always)]
fn allocated(block: NonNull<u8>, off: PreemptionOff) -> Option<NonNull<u8>> {
    if off.end_is_due() { after_deferred(Some(block)) } else { Some(block) }
}

#[inline(never)]
fn allocate_beyond(node: NodeId, layout: Layout, off: PreemptionOff) -> Option<NonNull<u8>> {
    drop(off);
    if layout.size() > LARGEST_BLOCK
        && !fail_allocation::is_on_for_heap()
        && let Some(block) = large_blocks::take_at_hand(node, layout)
    {
        return Some(block);
    }
    allocate_slowly(node, layout, OwnerId::KERNEL)
}

/// Does the work that was deferred while preemption was off, and returns the block.
#[cold]
#[inline(never)]
fn after_deferred(block: Option<NonNull<u8>>) -> Option<NonNull<u8>> {
    cpu::do_deferred();
    block
}

/// Allocates memory as [`allocate()`] does, for this owner, which alone may free it.
#[inline]
pub fn allocate_for(owner: OwnerId, node: NodeId, layout: Layout) -> Option<NonNull<u8>> {
    allocate_slowly(node, layout, owner)
}

/// Allocates a block that is not at hand. The arguments stand as those of [`allocate()`].
#[inline(never)]
fn allocate_slowly(node: NodeId, layout: Layout, owner: OwnerId) -> Option<NonNull<u8>> {
    if fail_allocation::is_heap_due(layout.size()) {
        return None;
    }
    let node = heap_nodes::with_memory(node);
    match Class::of(layout.size(), layout.align()) {
        Some(class) => take(owner, node, class).or_else(|| allocate_by_draining(owner, node, class)),
        None => match owner {
            OwnerId::KERNEL => large_blocks::allocate_for_kernel(node, layout),
            driver => large_blocks::allocate(driver, node, layout),
        },
    }
}

/// Allocates a block of another node, or else with what all CPUs keep.
#[cold]
#[inline(never)]
fn allocate_by_draining(owner: OwnerId, node: NodeId, class: Class) -> Option<NonNull<u8>> {
    let nodes = || numa_topology::get().fallback(node).iter().copied();
    let of_others = nodes().filter(|other| *other != node).find_map(|other| take(owner, other, class));
    of_others.or_else(|| {
        heap_drain::drain_all();
        nodes().find_map(|node| take_alone(owner, node, class))
    })
}

/// Allocates a block of one node, whose heap grows if it must.
#[inline]
fn take(owner: OwnerId, node: NodeId, class: Class) -> Option<NonNull<u8>> {
    loop {
        let taken = cpu_memory::heap(&PreemptionOff::new()).take(node.index(), class, owner);
        match taken {
            Ok(block) => return Some(block),
            // Another CPU may take the new frame first. The loop ends when the node has no more.
            Err(needs) if grow(needs.node) => {}
            Err(_) => return take_alone(owner, node, class),
        }
    }
}

/// Allocates a block of a node without a magazine, since there may be no frame for one. The node keeps no magazine either.
#[cold]
#[inline(never)]
fn take_alone(owner: OwnerId, node: NodeId, class: Class) -> Option<NonNull<u8>> {
    let heap = heaps().node(node.index())?;
    heap.break_up_magazines();
    loop {
        let block = cpu_memory::heap(&PreemptionOff::new()).take_alone(node.index(), class, owner);
        if block.is_some() || !grow(node.index()) {
            return block;
        }
    }
}

/// Adds a frame to a node's heap. The caller has preemption on, unless its own caller has it off.
#[cold]
fn grow(node: usize) -> bool {
    heaps().node(node).is_some_and(|heap| heap.grow(node, &HeapFrames))
}

/// Frees memory of the kernel. A free that the heap refuses is logged, and changes nothing.
///
/// # Safety
/// [`allocate()`] has returned `block` for this layout, and nothing uses it any more.
#[inline(never)]
pub unsafe fn free(block: NonNull<u8>, layout: Layout) {
    let off = PreemptionOff::new();
    match cpu_memory::heap(&off).free_at_hand(block) {
        AtHand::Freed => freed(off),
        AtHand::Untouched => free_elsewhere(block, layout, off),
        AtHand::Taken(state) => free_taken(block, state, off),
    }
}

/// Frees a block that is not of the CPU's node, as far as the CPU knows. As [`free`], it needs no stack: each call is its last step.
#[inline(never)]
fn free_elsewhere(block: NonNull<u8>, layout: Layout, off: PreemptionOff) {
    match cpu_memory::heap(&off).free_at_hand_of(block) {
        AtHand::Freed => freed(off),
        AtHand::Untouched => free_untouched(block, layout, off),
        AtHand::Taken(state) => free_taken(block, state, off),
    }
}

/// Ends the stretch without preemption in which a block was freed.
#[inline(always)]
fn freed(off: PreemptionOff) {
    if off.end_is_due() {
        cpu::do_deferred();
    }
}

/// Ends the free of a block whose magazine is not at hand or has no room, or whose state is that of no block of the kernel.
#[inline(never)]
fn free_taken(block: NonNull<u8>, state: u8, off: PreemptionOff) {
    if let Err(error) = free_with(off, |heap| heap.finish_free(block, state)) {
        log_refused(block, error);
    }
}

#[inline(never)]
fn free_untouched(block: NonNull<u8>, layout: Layout, off: PreemptionOff) {
    drop(off);
    if large_blocks::may_be(block) {
        return large_blocks::free_for_kernel(block, layout);
    }
    free_slowly(block, layout);
}

#[inline(never)]
fn free_slowly(block: NonNull<u8>, layout: Layout) {
    if early_heap::contains(block) {
        // SAFETY: `GlobalAlloc::alloc` has returned the block for this layout, since no other function takes from the early heap
        // but the self-test, and nothing uses the block.
        return unsafe { early_heap::free(block, layout) };
    }
    let is_of_a_node = heap_nodes::made().is_some_and(|heaps| heaps.node_of(block.addr().get()).is_some());
    if !is_of_a_node {
        return large_blocks::free_for_kernel(block, layout);
    }
    if let Err(error) = free_with(PreemptionOff::new(), |heap| heap.free(block, OwnerId::KERNEL)) {
        log_refused(block, error);
    }
}

#[cold]
#[inline(never)]
fn log_refused(block: NonNull<u8>, error: FreeError) {
    log::error!(target: "heap", "the kernel freed {block:p}: {error}; refused");
}

/// Frees a block. If there was no memory for a magazine, the heap grows, so that the next frees take fewer steps.
#[inline(always)]
fn free_with(
    off: PreemptionOff,
    free: impl FnOnce(&CpuHeap<'static, HeapLock>) -> Result<(), FreeError>,
) -> Result<(), FreeError> {
    let heap = cpu_memory::heap(&off);
    let (freed, lacking) = (free(heap), heap.take_lacking());
    drop(off);
    if let Some(needs) = lacking {
        grow(needs.node);
    }
    freed
}

/// Frees a block of this owner, which [`allocate_for`] has returned.
///
/// # Errors
/// [`FreeError`]; nothing has changed.
#[inline]
pub fn free_of(owner: OwnerId, block: NonNull<u8>) -> Result<(), FreeError> {
    if heaps().node_of(block.addr().get()).is_none() {
        return large_blocks::free(owner, block);
    }
    free_with(PreemptionOff::new(), |heap| heap.free(block, owner))
}

/// Returns how many bytes a driver's blocks have, as the heaps round them up. Takes a step for each frame of the heaps and each large
/// block.
pub fn bytes_of(driver: OwnerId) -> u64 {
    let bytes: usize = heaps().iter().map(|node| node.in_use_by(driver).1).sum();
    bytes as u64 + large_blocks::bytes_of(driver)
}

/// Calls `each` with each node where a driver has blocks, and their bytes, as [`bytes_of`] counts them. A large block may come by itself.
pub fn for_each_part(driver: OwnerId, each: &mut dyn FnMut(NodeId, u64)) {
    for (index, heap) in heaps().iter().enumerate() {
        let bytes = heap.in_use_by(driver).1;
        if let Some(node) = NodeId::new(index).filter(|_| bytes > 0) {
            each(node, bytes as u64);
        }
    }
    large_blocks::for_each_of(driver, each);
}

/// Frees all blocks of a driver that uses none of them any more, and returns how many there were.
pub fn take_back_all(driver: OwnerId) -> usize {
    let blocks: usize = heaps().iter().map(|node| node.take_back_all(driver)).sum();
    blocks + large_blocks::take_back_all(driver)
}
