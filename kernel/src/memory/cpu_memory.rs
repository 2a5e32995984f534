//! What each CPU has of memory for itself: a cache of free pages, and what it has allocated.
use super::page_counts::CpuCounts;
use crate::cpu::{self, Cpu, cpu_local_addressed};
use core::cell::UnsafeCell;
use cpu_requests::DrainRequest;
use page_alloc::{CacheView, CpuCache};
use units::NodeId;

/// One CPU's.
#[repr(C)]
pub struct CpuMemory {
    /// Free pages of its node; [`CpuCache::none`] before there is memory for it.
    page_cache: UnsafeCell<CpuCache<'static>>,
    /// The CPU's node.
    pub node: NodeId,
    /// The pages that it has allocated otherwise than from its cache.
    pub page_counts: CpuCounts,
    /// Whether others have asked for its free pages.
    pub cache_drain: DrainRequest,
    /// What the others may see of the cache.
    pub page_cache_view: Option<CacheView<'static>>,
}

// SAFETY: what changes is atomic, but for the page cache, which is for the CPU itself alone.
unsafe impl Sync for CpuMemory {}

cpu_local_addressed! {
    static MEMORY: CpuMemory = CpuMemory {
        page_cache: UnsafeCell::new(CpuCache::none()),
        node: NodeId::ZERO,
        page_counts: CpuCounts::new(),
        cache_drain: DrainRequest::closed(),
        page_cache_view: None,
    };
    /// The running CPU's.
    current
}

impl CpuMemory {
    /// The CPU's cache of free pages.
    ///
    /// # Safety
    /// The caller runs on this CPU with preemption off, and nothing that runs there before it is done with the cache asks
    /// for it, too.
    #[inline]
    #[expect(clippy::mut_from_ref, reason = "the caller sees to it that there is only one")]
    pub unsafe fn page_cache(&self) -> &mut CpuCache<'static> {
        // SAFETY: as the caller says, nobody else has a reference to it.
        unsafe { &mut *self.page_cache.get() }
    }
}

/// That of a CPU.
pub fn of(cpu: &Cpu) -> &'static CpuMemory {
    &MEMORY.of(cpu).value
}

/// Gives a CPU its page cache.
///
/// # Safety
/// The CPU does not run yet on this copy.
pub unsafe fn init(cpu: &Cpu, cache: Option<CpuCache<'static>>) {
    let memory: *mut CpuMemory = core::ptr::from_ref(of(cpu)).cast_mut();
    // SAFETY: nobody else uses it yet; statics of the section may be written.
    unsafe {
        (*memory).node = cpu.node;
        (*memory).page_cache_view = cache.as_ref().map(CpuCache::view);
        if let Some(cache) = cache {
            *(*memory).page_cache.get() = cache;
        }
    }
}

/// All CPUs, with what they have.
pub fn all() -> impl Iterator<Item = (&'static Cpu, &'static CpuMemory)> {
    cpu::all().map(|cpu| (cpu, of(cpu)))
}
