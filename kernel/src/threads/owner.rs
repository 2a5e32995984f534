//! The owner of a thread: the driver that created it, as far as threads know drivers.
use arrayvec::ArrayString;
use core::sync::atomic::{AtomicU32, Ordering};
use free_refusals::Refusals;

/// A driver's name, of a bounded length.
pub type OwnerName = ArrayString<96>;

/// A driver's name, the number of its threads, and the record of its refused frees.
pub struct Owner {
    name: OwnerName,
    threads: AtomicU32,
    refusals: Refusals,
}

impl Owner {
    /// Returns the owner of a driver without threads.
    pub fn new(name: OwnerName) -> Self {
        Self { name, threads: AtomicU32::new(0), refusals: Refusals::new() }
    }

    /// Returns the name that the log uses.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the record of the driver's refused frees.
    pub fn refusals(&self) -> &Refusals {
        &self.refusals
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
