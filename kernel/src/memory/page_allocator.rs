//! The machine's one page allocator: `page-alloc` over the frames of the topology's nodes, each node's metadata in the node's
//! own memory.
//!
//! No interrupt handler allocates, so the allocator's locks are taken with interrupts as they are, and preemption off. Single
//! pages of a CPU's own node come from its cache and go back there, without a lock.
mod own;
mod setup;
mod thread;

use crate::arch;
use crate::cpu::PreemptionOff;
use crate::memory::{cache_drain, cpu_memory, fail_allocation};
use crate::platform::numa_topology;
use core::alloc::Layout;
use core::mem::MaybeUninit;
use page_alloc::{AllocateError, CpuCache, FreeError, Grant, NodeStats, PageAllocator, Request};
use spin::Once;
use units::{FRAME_SIZE, FrameNumber, NodeId, NodeSet};

pub use own::{
    allocate_below, allocate_for_kernel, allocate_for_kernel_on, allocate_table_frame, free_for_kernel,
};
pub use setup::{init, init_ticks};
use thread::allocate_quickly;
pub use thread::{
    ThreadRequest, allocate_for_thread, allocate_page, allocate_pages, allocate_zeroed_page,
    allocate_zeroed_pages_from, free_page, free_pages, home_node, report_refused_with, thread_policy,
};

type Pages = PageAllocator<'static>;

static PAGES: Once<Pages> = Once::new();

/// Whether frames are filled with zeros before they are handed out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Zeroed {
    /// They hold what was there before.
    No,
    /// They are.
    Yes,
}

pub(super) fn pages() -> &'static Pages {
    PAGES.get().expect("the page allocator is up before anything asks for pages")
}

/// Allocates as the request says; for who knows exactly what it wants.
///
/// # Errors
/// [`AllocateError`]; nothing was allocated.
pub fn allocate(request: &Request, zeroed: Zeroed) -> Result<Grant, AllocateError> {
    if fail_allocation::is_on() && fail_allocation::is_due(request) {
        return Err(AllocateError::NoFit { preferred: request.preferred, count: request.count });
    }
    let grant = {
        let _off = PreemptionOff::new();
        let granted = pages().allocate_or(request, |node, _| {
            give_back_caches(node);
            true
        });
        granted.inspect(|grant| count(grant, request))?
    };
    fill(grant, zeroed);
    Ok(grant)
}

/// Counts a grant for the running CPU.
#[inline]
fn count(grant: &Grant, request: &Request) {
    let counts = &cpu_memory::current().page_counts;
    counts.note(grant.count, grant.node == request.cpu_node);
    if grant.fell_back {
        counts.note_miss(grant.count);
    } else if request.interleaved {
        counts.note_interleave_hit(grant.count);
    }
}

/// Counts a free that was refused for the running CPU. Preemption is off.
#[cold]
fn count_refused(_: &FreeError) {
    cpu_memory::current().page_counts.note_refused_free();
}

/// Zeroes what was just handed out, if that is wanted.
#[inline]
fn fill(grant: Grant, zeroed: Zeroed) {
    if zeroed == Zeroed::Yes {
        zero(grant.frame, grant.count);
    }
}

/// Fills frames with zeros that were just handed out.
#[inline]
fn zero(frame: FrameNumber, count: u64) {
    let start = arch::physical_memory(frame.address());
    // SAFETY: the frames were just handed to the caller, and are memory.
    unsafe { start.write_bytes(0, (count * FRAME_SIZE) as usize) };
}

/// The running CPU's cache. Preemption is off, and nobody calls this again while the cache is in use.
#[inline]
fn own_cache() -> &'static mut CpuCache<'static> {
    // SAFETY: preemption is off and no interrupt handler has to do with pages, so that nobody else comes in between. The
    // functions of this module that call this do not call each other while they use it.
    unsafe { cpu_memory::current().page_cache() }
}

/// Has all caches of the node's frames given back, those of other CPUs that run included.
#[cold]
pub(super) fn give_back_caches(node: NodeId) {
    let cache = own_cache();
    if cache.node() == Some(node) {
        pages().drain(cache);
    }
    cache_drain::drain_others(node);
}

/// Gives the running CPU's cache back to its node: before it halts, or when the node runs dry.
#[inline]
pub fn drain_cache() {
    let _off = PreemptionOff::new();
    pages().drain(own_cache());
}

/// A cache for a CPU of the node, in pages of the node; `None` when there is no memory, or all allocations are to be counted.
pub fn create_cache(node: NodeId) -> Option<CpuCache<'static>> {
    if fail_allocation::is_on() {
        return None;
    }
    const LAYOUT: Layout = Pages::cache_layout();
    const FRAMES: u64 = (LAYOUT.size() as u64).div_ceil(FRAME_SIZE);
    const { assert!(LAYOUT.align() as u64 <= FRAME_SIZE, "a page is aligned as a cache is") };
    let first = allocate_for_kernel(node, FRAMES, Zeroed::No)?.frame;
    let bytes = arch::physical_memory(first.address()).cast::<MaybeUninit<u8>>();
    // SAFETY: the pages were just allocated, and stay the cache's for good.
    let memory = unsafe { core::slice::from_raw_parts_mut(bytes, (FRAMES * FRAME_SIZE) as usize) };
    let _off = PreemptionOff::new();
    pages().add_cache(node, memory).ok()
}

/// Takes back what one call granted.
///
/// # Errors
/// [`FreeError`]; nothing was changed.
pub fn free(frame: FrameNumber, count: u64) -> Result<(), FreeError> {
    let _off = PreemptionOff::new();
    pages().free_cached(own_cache(), frame, count).inspect_err(count_refused)
}

/// The node of a frame; `None` for one that is not managed.
pub fn node_of(frame: FrameNumber) -> Option<NodeId> {
    pages().node_of(frame)
}

/// The nodes that had memory at boot, which is what the fallback orders name, too: one that gets its first memory later is not
/// among them, and no policy over several nodes reaches it.
pub fn nodes_with_memory() -> NodeSet {
    static NODES: Once<NodeSet> = Once::new();
    // Each node's fallback order lists them all.
    *NODES.call_once(|| numa_topology::get().fallback(NodeId::ZERO).iter().copied().collect())
}

/// Frees that were refused since there is no memory, which no node counts.
pub fn refused_outside() -> u64 {
    pages().refused_outside()
}

/// The node's numbers; zeros for a node that is not there.
pub fn node_stats(node: NodeId) -> NodeStats {
    let _off = PreemptionOff::new();
    pages().node_stats(node).unwrap_or_default()
}
