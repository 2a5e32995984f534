//! The event, which is set or not.
use super::wait::{self, Deadline};
use core::sync::atomic::{AtomicU32, Ordering};

/// The event is not set, and nobody waits.
const UNSET: u32 = 0;
/// The event is not set, and threads may wait.
const WAITED_FOR: u32 = 1;
/// The event is set.
const SET: u32 = 2;

/// An event, which is set or not. Threads wait until it is set.
#[derive(Default)]
pub struct Event {
    state: AtomicU32,
}

impl Event {
    /// Returns an event that is not set.
    #[must_use]
    pub const fn new() -> Self {
        Self { state: AtomicU32::new(UNSET) }
    }

    /// Returns true if the event is set.
    #[inline]
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.state.load(Ordering::Acquire) == SET
    }

    /// Sets the event, and wakes all threads that wait for it. May be called in a handler.
    #[inline]
    pub fn set(&self) {
        let word = self.state.as_ptr();
        if self.state.swap(SET, Ordering::Release) == WAITED_FOR {
            wait::wake(word, i32::MAX);
        }
    }

    /// Resets the event: it is not set any more.
    #[inline]
    pub fn reset(&self) {
        // If it is not set, nothing changes.
        let _ = self.state.compare_exchange(SET, UNSET, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Waits until the event is set.
    #[inline]
    pub fn wait(&self) {
        if !self.is_set() {
            self.wait_until(Deadline::NEVER);
        }
    }

    /// Waits until the event is set, for at most so many nanoseconds. Returns false if the time has passed.
    #[must_use]
    pub fn wait_for(&self, time_ns: u64) -> bool {
        self.is_set() || self.wait_until(Deadline::after(time_ns))
    }

    #[cold]
    fn wait_until(&self, mut deadline: Deadline) -> bool {
        let mut is_in_time = true;
        while is_in_time {
            let before = self.state.compare_exchange(UNSET, WAITED_FOR, Ordering::Relaxed, Ordering::Acquire);
            if before == Err(SET) {
                return true;
            }
            is_in_time = wait::wait_until(&self.state, WAITED_FOR, &mut deadline);
        }
        self.is_set()
    }
}
