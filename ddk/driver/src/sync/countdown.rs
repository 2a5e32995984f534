//! The countdown: operations that have not ended.
use super::wait::{self, Deadline};
use core::sync::atomic::{AtomicU32, Ordering};

/// A thread may wait.
const WAITED_FOR: u32 = 1 << 31;

/// How many operations have not ended. A thread waits until all have.
#[derive(Default)]
pub struct Countdown {
    /// The operations that have not ended, and [`WAITED_FOR`].
    state: AtomicU32,
}

impl Countdown {
    /// Returns a countdown at 0.
    #[must_use]
    pub const fn new() -> Self {
        Self { state: AtomicU32::new(0) }
    }

    /// Returns true if all operations have ended.
    #[inline(always)]
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.state.load(Ordering::Acquire) & !WAITED_FOR == 0
    }

    /// Begins so many operations, fewer than 2³¹. The countdown is over, and nobody waits.
    #[inline(always)]
    pub fn start(&self, count: u32) {
        self.state.store(count, Ordering::Relaxed);
    }

    /// Ends one operation. May be called in a handler. After the last call the countdown may go: only its address is used.
    #[inline(always)]
    pub fn end_one(&self) {
        let word = self.state.as_ptr();
        // With `WAITED_FOR` the number is negative. This comparison needs no instruction besides the subtraction.
        let before = self.state.fetch_sub(1, Ordering::AcqRel);
        if before.cast_signed() < 1 {
            wake_if_over(word, before);
        }
    }

    /// Waits until all operations have ended.
    #[inline]
    pub fn wait(&self) {
        if !self.is_over() {
            self.wait_until(Deadline::NEVER);
        }
    }

    /// Waits until all operations have ended, for at most so many nanoseconds. Returns false if the time has passed.
    #[must_use]
    pub fn wait_for(&self, time_ns: u64) -> bool {
        self.is_over() || self.wait_until(Deadline::after(time_ns))
    }

    #[cold]
    fn wait_until(&self, deadline: Deadline) -> bool {
        let mut is_in_time = true;
        while is_in_time {
            let before = self.state.fetch_or(WAITED_FOR, Ordering::Acquire);
            if before & !WAITED_FOR == 0 {
                return true;
            }
            is_in_time = wait::wait_until(&self.state, before | WAITED_FOR, deadline);
        }
        self.is_over()
    }
}

/// Wakes the threads that wait at a countdown, which may be gone, if its last operation has ended: `before` is what it was before.
#[cold]
#[inline(never)]
fn wake_if_over(word: *const u32, before: u32) {
    if before == WAITED_FOR | 1 {
        wait::wake(word, i32::MAX);
    }
}
