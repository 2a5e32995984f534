//! Counts the ticks that the kernel spends in waits which hardware prescribes.
use super::instructions::ticks;
use core::sync::atomic::{AtomicU64, Ordering};

/// The ticks that were spent in waits.
static WAITED: AtomicU64 = AtomicU64::new(0);

/// Returns the ticks of the time stamp counter that were spent in waits. Benchmarks subtract them, because they are no work.
pub fn waited_ticks() -> u64 {
    WAITED.load(Ordering::Relaxed)
}

/// Counts all ticks of `wait` as spent in a wait, and returns its result. Waits are not nested.
pub fn count_as_wait<T>(wait: impl FnOnce() -> T) -> T {
    let start = ticks();
    let result = wait();
    WAITED.fetch_add(ticks().wrapping_sub(start), Ordering::Relaxed);
    result
}
