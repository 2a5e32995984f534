//! The memory state of each CPU: its access to the page allocator, with a cache of free pages, and its counts.
use super::frames;
use crate::cpu::{self, Cpu, PreemptionOff, cpu_local_addressed};
use cpu_requests::DrainRequest;
use page_alloc::{CacheView, CpuCache};
use page_counts::CpuCounts;
use units::NodeId;

/// One CPU's memory state.
#[repr(C)]
pub struct CpuMemory {
    /// The CPU's access to the page allocator.
    page_cache: OfOneCpu<CpuCache<'static>>,
    /// The CPU's node.
    pub node: NodeId,
    /// The pages that the CPU has allocated, except those from its cache.
    pub page_counts: CpuCounts,
    /// Other CPUs' requests for the pages in the cache.
    pub cache_drain: DrainRequest,
    /// Other CPUs' view of the cache; `None` if the CPU has no cache.
    pub page_cache_view: Option<CacheView<'static>>,
}

/// A value that only its CPU uses.
#[repr(transparent)]
struct OfOneCpu<T>(T);

// SAFETY: only `cache` gives out a reference to the value, and only to code that stays on the value's CPU.
unsafe impl<T> Sync for OfOneCpu<T> {}

cpu_local_addressed! {
    static MEMORY: CpuMemory = CpuMemory {
        page_cache: OfOneCpu(CpuCache::detached()),
        node: NodeId::ZERO,
        page_counts: CpuCounts::new(),
        cache_drain: DrainRequest::closed(),
        page_cache_view: None,
    };
    /// Returns the running CPU's memory state.
    current
}

/// Returns the running CPU's access to the page allocator. The guard keeps the thread on the CPU. No interrupt handler calls this.
#[inline(always)]
pub fn cache(_off: &PreemptionOff) -> &CpuCache<'static> {
    &current().page_cache.0
}

/// Returns the pages in the running CPU's cache to their node: before the CPU halts, or when another CPU needs them.
#[inline]
pub fn drain_cache() {
    cache(&PreemptionOff::new()).drain();
}

/// Returns the memory state of a CPU.
pub fn of(cpu: &Cpu) -> &'static CpuMemory {
    &MEMORY.of(cpu).value
}

/// Sets up the memory state of a CPU. Without a cache, the CPU's node serves each of its calls.
///
/// # Safety
/// The CPU does not run on this copy yet.
pub unsafe fn init(cpu: &Cpu, cache: Option<CpuCache<'static>>) {
    let memory: *mut CpuMemory = core::ptr::from_ref(of(cpu)).cast_mut();
    // SAFETY: by this function's condition no code uses the copy yet. Statics of the section `cpu_local` are writable.
    unsafe {
        (*memory).node = cpu.node;
        (*memory).page_cache_view = cache.as_ref().map(CpuCache::view);
        match cache {
            Some(cache) => (*memory).page_cache.0 = cache,
            None => (*memory).page_cache.0.attach(frames::pages(), cpu.node),
        }
    }
}

/// Returns all CPUs with their memory states.
pub fn all() -> impl Iterator<Item = (&'static Cpu, &'static CpuMemory)> {
    cpu::all().map(|cpu| (cpu, of(cpu)))
}
