//! Fault injection: one allocation of pages that fails, so that a test can watch what comes of it. Asked for by the parameter
//! `fail-allocation=K`.
//!
//! No CPU gets a page cache then, and what goes to the nodes' lists is counted: all that the kernel allocates while it boots,
//! but for a request that is answered with the very pages that were freed last.
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use page_alloc::Request;

/// The number of the allocation that fails, from 1; [`NONE`] where none shall.
static FAILS: AtomicU64 = AtomicU64::new(NONE);
/// Allocations so far, while one of them shall fail.
static COUNT: AtomicU64 = AtomicU64::new(0);

const NONE: u64 = 0;

/// Has the allocation of this number fail, counted from now on.
pub fn init(which: Option<u64>) {
    FAILS.store(which.unwrap_or(NONE), Relaxed);
}

/// Whether one shall fail, be that behind or ahead.
#[inline]
pub fn is_on() -> bool {
    FAILS.load(Relaxed) != NONE
}

/// Counts an allocation; whether it is the one to fail. To be asked only where [`is_on`].
#[cold]
pub fn is_due(request: &Request) -> bool {
    let number = COUNT.fetch_add(1, Relaxed) + 1;
    let due = number == FAILS.load(Relaxed);
    if due {
        let Request { count, preferred, .. } = request;
        log::warn!(target: "pages", "allocation {number}, of {count} pages of node {preferred}, fails as was asked for");
    }
    due
}

/// Says how many allocations a boot takes, where that was counted.
pub fn report() {
    if is_on() {
        log::info!(target: "pages", "{} allocations were counted", COUNT.load(Relaxed));
    }
}
