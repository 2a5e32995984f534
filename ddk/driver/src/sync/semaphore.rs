//! The counting semaphore.
use super::wait::{self, Deadline};
use core::sync::atomic::{AtomicU32, Ordering};

/// Units that threads take and others give.
#[derive(Default)]
pub struct Semaphore {
    units: AtomicU32,
    /// How many threads wait for a unit, or are about to.
    waiters: AtomicU32,
}

impl Semaphore {
    /// Returns a semaphore with so many units.
    #[must_use]
    pub const fn new(units: u32) -> Self {
        Self { units: AtomicU32::new(units), waiters: AtomicU32::new(0) }
    }

    /// Takes a unit if there is one.
    #[inline]
    #[must_use]
    pub fn try_down(&self) -> bool {
        let take = |units: u32| units.checked_sub(1);
        self.units.try_update(Ordering::Acquire, Ordering::Relaxed, take).is_ok()
    }

    /// Waits for a unit and takes it.
    #[inline]
    pub fn down(&self) {
        if !self.try_down() {
            self.wait(Deadline::NEVER);
        }
    }

    /// Waits for a unit and takes it, for at most so many nanoseconds. Returns false if the time has passed.
    #[must_use]
    pub fn down_for(&self, time_ns: u64) -> bool {
        self.try_down() || self.wait(Deadline::after(time_ns))
    }

    #[cold]
    fn wait(&self, mut deadline: Deadline) -> bool {
        // `up` adds a unit first and then looks for waiters. Here it is the other way round, so one of the two sees the other.
        self.waiters.fetch_add(1, Ordering::SeqCst);
        let mut is_in_time = true;
        let taken = loop {
            if self.try_down() {
                break true;
            }
            if !is_in_time {
                break false;
            }
            is_in_time = wait::wait_until(&self.units, 0, &mut deadline);
        };
        self.waiters.fetch_sub(1, Ordering::Relaxed);
        taken
    }

    /// Gives a unit. May be called in a handler.
    #[inline]
    pub fn up(&self) {
        self.units.fetch_add(1, Ordering::SeqCst);
        if self.waiters.load(Ordering::SeqCst) != 0 {
            wait::wake(self.units.as_ptr(), 1);
        }
    }
}
