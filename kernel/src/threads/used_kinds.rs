//! The kinds of things that a driver has ever had in its life. What it never had need not be searched for at its end.
use core::sync::atomic::{AtomicU32, Ordering};

/// A kind of thing that a driver may have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum UsedKind {
    /// A thread that its creator may join.
    Threads = 0,
    /// A timer.
    Timers = 1,
    /// A block device that it serves.
    BlockDevices = 2,
    /// A request whose `Done` is code of the driver, or that the driver has submitted.
    Requests = 3,
    /// A device that it owns.
    Devices = 4,
}

/// The kinds that one driver has had, bit n for kind n.
pub struct UsedKinds(AtomicU32);

impl UsedKinds {
    /// Returns a record without any.
    pub const fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    /// Forgets all, for another life of the driver.
    pub fn forget(&self) {
        self.0.store(0, Ordering::SeqCst);
    }

    /// Notes a kind. The caller does so before the driver gets the thing.
    pub fn note(&self, kind: UsedKind) {
        let bit = 1 << kind as u32;
        if self.0.load(Ordering::SeqCst) & bit == 0 {
            self.0.fetch_or(bit, Ordering::SeqCst);
        }
    }

    /// Returns true if the kind was noted.
    pub fn has(&self, kind: UsedKind) -> bool {
        self.0.load(Ordering::SeqCst) & (1 << kind as u32) != 0
    }
}
