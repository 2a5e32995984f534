//! Whom a thread works for: a driver, as the threads that run its code know it.
use alloc::string::String;
use core::sync::atomic::{AtomicU32, Ordering};
use free_refusals::Refusals;

/// A driver's name, how many threads it has, and which of its frees were refused. It lives for good.
pub struct Owner {
    name: String,
    threads: AtomicU32,
    refusals: Refusals,
}

impl Owner {
    /// A driver without threads.
    pub fn new(name: &str) -> Self {
        Self { name: name.into(), threads: AtomicU32::new(0), refusals: Refusals::new() }
    }

    /// What the log calls it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the record of its refused frees.
    pub fn refusals(&self) -> &Refusals {
        &self.refusals
    }

    /// How many threads it has created that have not ended. Once `Driver_Init` has returned, none of the driver's code runs
    /// where this is 0, nor ever will.
    pub fn threads(&self) -> u32 {
        self.threads.load(Ordering::Acquire)
    }

    /// Counts a thread that it creates.
    pub fn add_thread(&self) {
        self.threads.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a thread of it that has run for the last time.
    pub fn remove_thread(&self) {
        self.threads.fetch_sub(1, Ordering::Release);
    }
}
