//! The owner of a thread: the driver that created it, as far as threads know drivers.
use alloc::string::String;
use core::sync::atomic::{AtomicU32, Ordering};

/// A driver's name and the number of its threads. It is never freed.
pub struct Owner {
    name: String,
    threads: AtomicU32,
}

impl Owner {
    /// Creates the owner of a driver without threads.
    pub fn new(name: &str) -> Self {
        Self { name: name.into(), threads: AtomicU32::new(0) }
    }

    /// Returns the name that the log uses.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the number of threads that the driver has created and that have not exited. If it is 0 after `Driver_Init` has
    /// returned, none of the driver's code runs, nor will any run again.
    pub fn threads(&self) -> u32 {
        self.threads.load(Ordering::Acquire)
    }

    /// Counts a thread that the driver creates.
    pub fn add_thread(&self) {
        self.threads.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a thread of the driver that has exited.
    pub fn remove_thread(&self) {
        self.threads.fetch_sub(1, Ordering::Release);
    }
}
