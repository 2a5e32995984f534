//! The memory state of each CPU: its access to the page allocator, with a cache of free pages, and its counts.
use super::frames;
use super::heap_lock::HeapLock;
use crate::arch::InterruptsOff;
use crate::cpu::{self, Cpu, PreemptionOff, cpu_local_addressed};
use crate::platform::numa_topology;
use core::mem::MaybeUninit;
use cpu_requests::DrainRequest;
use node_heap::{CpuHeap, NodeHeaps};
use page_alloc::{CacheView, CpuCache};
use page_counts::CpuCounts;
use units::NodeId;

/// One CPU's memory state.
#[repr(C)]
pub struct CpuMemory {
    /// The CPU's access to the page allocator.
    page_cache: OfOneCpu<CpuCache<'static>>,
    /// The CPU's access to the heaps.
    heap: OfOneCpu<CpuHeap<'static, HeapLock>>,
    /// The CPU's node.
    pub node: NodeId,
    /// The distance of the node to itself.
    pub distance: u32,
    /// The pages that the CPU has allocated, except those from its cache.
    pub page_counts: CpuCounts,
    /// Other CPUs' requests for the pages in the cache.
    pub cache_drain: DrainRequest,
    /// Other CPUs' requests for the blocks in the CPU's magazines.
    pub heap_drain: DrainRequest,
    /// Other CPUs' view of the cache; `None` if the CPU has no cache.
    pub page_cache_view: Option<CacheView<'static>>,
}

/// A value that is private to its CPU: only [`cache`] and [`heap`] return a reference to it.
#[repr(transparent)]
struct OfOneCpu<T>(T);

// SAFETY: only `cache` and `heap` give out a reference to the value. The reference ends with a `PreemptionOff`, which keeps the thread on
// the value's CPU and lets no other thread run there. No interrupt handler calls them. `has_magazines` and `attach_heap` say
// why they may reach another CPU's value.
unsafe impl<T> Sync for OfOneCpu<T> {}

cpu_local_addressed! {
    static MEMORY: CpuMemory = CpuMemory {
        page_cache: OfOneCpu(CpuCache::detached()),
        heap: OfOneCpu(CpuHeap::detached()),
        node: NodeId::ZERO,
        distance: 0,
        page_counts: CpuCounts::new(),
        cache_drain: DrainRequest::closed(),
        heap_drain: DrainRequest::closed(),
        page_cache_view: None,
    };
    /// Returns the running CPU's memory state. Unless preemption is off, the thread may move to another CPU at any time.
    current
}

/// Returns the running CPU's access to the page allocator. The guard keeps the thread on the CPU. No interrupt handler calls this.
#[inline(always)]
pub fn cache(_off: &PreemptionOff) -> &CpuCache<'static> {
    &current().page_cache.0
}

/// Returns the running CPU's memory state with its access to the page allocator. The guard keeps the thread on the CPU. No interrupt handler
/// calls this.
#[inline(always)]
pub fn with_cache(_off: &PreemptionOff) -> (&CpuMemory, &CpuCache<'static>) {
    let memory = current();
    (memory, &memory.page_cache.0)
}

/// Returns the running CPU's access to the heaps. The guard keeps the thread on the CPU. No interrupt handler calls this.
#[inline(always)]
pub fn heap(_off: &PreemptionOff) -> &CpuHeap<'static, HeapLock> {
    &current().heap.0
}

/// Gives a CPU its access to the heaps, with magazines for blocks of `node`. `sets` is for its sets of other magazines;
/// without it, the CPU has no magazine.
///
/// # Safety
/// The CPU does not run on this copy yet, or it is the running CPU, which does not use its access meanwhile.
pub unsafe fn attach_heap(
    memory: &CpuMemory,
    heaps: &'static NodeHeaps<'static, HeapLock>,
    node: NodeId,
    sets: Option<&'static mut [MaybeUninit<u8>]>,
) {
    let heap = &memory.heap.0;
    if sets.is_none() {
        heap.do_without_magazines();
    }
    heap.attach(heaps, node.index(), sets);
}

/// Returns true if the CPU may have magazines of heap blocks.
pub fn has_magazines(memory: &CpuMemory) -> bool {
    // Only an atomic of another CPU's value is read.
    memory.heap.0.is_in_use()
}

/// Returns the pages in the running CPU's cache to their node: before the CPU halts. Preemption is on between two steps, and
/// interrupts that were off are let in there.
#[inline]
pub fn drain_cache() {
    if drain_some() {
        drain_rest();
    }
}

/// Returns the pages in the running CPU's cache to their node, if the cache is one of `node`. The thread may move meanwhile; then
/// the pages of its first CPU's cache are not all returned.
pub fn drain_cache_of(node: NodeId) {
    while current().node == node && drain_some() {}
}

#[cold]
fn drain_rest() {
    loop {
        if InterruptsOff::are_off() {
            cpu::let_interrupts_in(&InterruptsOff::new());
        }
        if !drain_some() {
            return;
        }
    }
}

/// Returns some pages in the running CPU's cache to their node, and true if there are more.
#[inline]
fn drain_some() -> bool {
    cache(&PreemptionOff::new()).drain_some()
}

/// Returns the memory state of a CPU.
pub fn of(cpu: &Cpu) -> &'static CpuMemory {
    &MEMORY.of(cpu).value
}

/// Sets up the memory state of a CPU. Without a cache, the CPU's node serves each of its calls.
///
/// # Safety
/// The CPU does not run on this copy yet, and no other CPU reads the copy during the call.
pub unsafe fn init(cpu: &Cpu, cache: Option<CpuCache<'static>>) {
    let memory = MEMORY.as_ptr_of(cpu);
    // SAFETY: by this function's condition no code uses the copy during the call. The copy lies in writable memory that
    // `CpuArea::new` has filled, and exists for good.
    unsafe {
        let memory = &mut (*memory).value;
        memory.node = cpu.node;
        memory.distance = numa_topology::get().distance(cpu.node, cpu.node).map_or(0, u32::from);
        memory.page_cache_view = cache.as_ref().map(CpuCache::view);
        match cache {
            Some(cache) => memory.page_cache.0 = cache,
            None => memory.page_cache.0.attach(frames::pages(), cpu.node),
        }
    }
}

/// Returns all CPUs with their memory states.
pub fn all() -> impl Iterator<Item = (&'static Cpu, &'static CpuMemory)> {
    cpu::all().map(|cpu| (cpu, of(cpu)))
}
