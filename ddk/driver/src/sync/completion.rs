//! The completion: the end of one operation, with its status.
use super::event::Event;
use core::sync::atomic::{AtomicI32, Ordering};

/// The end of one operation, which a thread waits for, for example that of a request to a device.
#[derive(Default)]
pub struct Completion {
    ended: Event,
    status: AtomicI32,
}

impl Completion {
    /// Returns the completion of an operation that has not ended.
    #[must_use]
    pub const fn new() -> Self {
        Self { ended: Event::new(), status: AtomicI32::new(0) }
    }

    /// Ends the operation, and wakes all threads that wait for it. May be called in a handler.
    pub fn complete(&self, status: i32) {
        self.status.store(status, Ordering::Relaxed);
        self.ended.set();
    }

    /// Waits for the end of the operation, and returns its status.
    pub fn wait(&self) -> i32 {
        self.ended.wait();
        self.status.load(Ordering::Relaxed)
    }

    /// Waits for the end of the operation, for at most so many nanoseconds. Returns its status, or `None` if the time has passed; the
    /// operation may still end.
    #[must_use]
    pub fn wait_for(&self, time_ns: u64) -> Option<i32> {
        self.ended.wait_for(time_ns).then(|| self.status.load(Ordering::Relaxed))
    }

    /// Begins another operation.
    pub fn restart(&self) {
        self.ended.reset();
    }
}
