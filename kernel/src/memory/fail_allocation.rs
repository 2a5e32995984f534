//! Fault injection: one page allocation fails, so that a test can watch the consequences. The parameter `fail-allocation=K`
//! enables it. No CPU gets a page cache then, and every request is counted, except a thread's request that a hot chunk serves at
//! once.
use super::cpu_memory;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use page_alloc::{AllocateError, Request};
use units::NodeId;

/// The number of the allocation that fails, from 1; [`NONE`] while fault injection is off.
static FAILS: AtomicU64 = AtomicU64::new(NONE);
/// The number of allocations so far, while fault injection is on.
static COUNT: AtomicU64 = AtomicU64::new(0);

const NONE: u64 = 0;

/// Makes the allocation of this number fail, counted from now on.
pub fn init(which: Option<u64>) {
    FAILS.store(which.unwrap_or(NONE), Relaxed);
}

/// Returns true if fault injection is enabled.
#[inline]
pub fn is_on() -> bool {
    FAILS.load(Relaxed) != NONE
}

/// Returns true if this allocation is the one that fails. Counts the allocation if fault injection is enabled.
#[inline(always)]
pub fn is_due(request: &Request) -> bool {
    is_on() && count(request)
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
    let number = COUNT.fetch_add(1, Relaxed) + 1;
    let due = number == FAILS.load(Relaxed);
    if due {
        let (preferred, count) = (preferred_node(request), request.count);
        log::warn!(target: "pages", "allocation {number}, of {count} pages of node {preferred}, fails as was asked for");
    }
    due
}

/// Logs the number of allocations of the boot, if fault injection is enabled.
pub fn report() {
    if is_on() {
        log::info!(target: "pages", "{} allocations were counted", COUNT.load(Relaxed));
    }
}
