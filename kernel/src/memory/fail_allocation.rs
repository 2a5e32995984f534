//! Fault injection: one allocation fails, so that a test can watch the consequences.
//!
//! The parameter `fail-allocation=K` makes the K-th allocation of pages fail. No CPU gets a page cache then, and every request is
//! counted, except a thread's request that a hot chunk serves at once. The parameter `fail-heap=K` makes the K-th allocation from
//! the heaps fail.
use super::cpu_memory;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use page_alloc::{AllocateError, Request};
use units::NodeId;

/// Counts allocations, one of which fails.
struct Trigger {
    /// The number of the allocation that fails, from 1; [`NONE`] while fault injection is off.
    fails: AtomicU64,
    /// The number of allocations so far, while fault injection is on.
    count: AtomicU64,
}

const NONE: u64 = 0;

/// For allocations of pages.
static PAGES: Trigger = Trigger::new();
/// For allocations from the heaps.
static HEAP: Trigger = Trigger::new();

impl Trigger {
    const fn new() -> Self {
        Self { fails: AtomicU64::new(NONE), count: AtomicU64::new(0) }
    }

    fn set(&self, which: Option<u64>) {
        self.fails.store(which.unwrap_or(NONE), Relaxed);
    }

    #[inline(always)]
    fn is_on(&self) -> bool {
        self.fails.load(Relaxed) != NONE
    }

    /// Counts an allocation. Returns its number if it is the one that fails.
    fn count(&self) -> Option<u64> {
        let number = self.count.fetch_add(1, Relaxed) + 1;
        (number == self.fails.load(Relaxed)).then_some(number)
    }
}

/// Makes the allocation of pages and the allocation from the heaps of these numbers fail, counted from now on.
pub fn init(pages: Option<u64>, heap: Option<u64>) {
    PAGES.set(pages);
    HEAP.set(heap);
}

/// Returns true if fault injection is enabled for pages.
#[inline]
pub fn is_on() -> bool {
    PAGES.is_on()
}

/// Returns true if this allocation of pages is the one that fails. Counts the allocation if fault injection is enabled.
#[inline(always)]
pub fn is_due(request: &Request) -> bool {
    PAGES.is_on() && count(request)
}

/// Returns the error of an allocation that fails by fault injection.
pub fn error(request: &Request) -> AllocateError {
    AllocateError::NoFit { preferred: preferred_node(request), count: request.count }
}

fn preferred_node(request: &Request) -> NodeId {
    request.preferred.unwrap_or(cpu_memory::current().node)
}

#[cold]
#[inline(never)]
fn count(request: &Request) -> bool {
    let due = PAGES.count();
    if let Some(number) = due {
        let (preferred, count) = (preferred_node(request), request.count);
        log::warn!(target: "pages", "allocation {number}, of {count} pages of node {preferred}, fails as was asked for");
    }
    due.is_some()
}

/// Returns true if fault injection is enabled for the heaps. Then no CPU has magazines, so that each allocation is counted.
#[inline]
pub fn is_on_for_heap() -> bool {
    HEAP.is_on()
}

/// Returns true if this allocation of `size` bytes from a heap is the one that fails. Counts the allocation if fault injection is
/// enabled.
#[inline]
pub fn is_heap_due(size: usize) -> bool {
    HEAP.is_on() && count_of_heap(size)
}

#[cold]
#[inline(never)]
fn count_of_heap(size: usize) -> bool {
    let due = HEAP.count();
    if let Some(number) = due {
        log::warn!(target: "heap", "allocation {number}, of {size} bytes, fails as was asked for");
    }
    due.is_some()
}

/// Logs the numbers of allocations of the boot, if fault injection is enabled.
pub fn report() {
    for (trigger, target) in [(&PAGES, "pages"), (&HEAP, "heap")] {
        if trigger.is_on() {
            log::info!(target: target, "{} allocations were counted", trigger.count.load(Relaxed));
        }
    }
}
