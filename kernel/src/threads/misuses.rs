//! Calls of drivers that the kernel refuses and logs once.
use core::sync::atomic::{AtomicU32, Ordering};

/// What a driver did that it must not.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum Misuse {
    /// It called a function for threads in a handler.
    ThreadOnlyInHandler = 0,
    /// It called a function for threads with interrupts off.
    ThreadOnlyInterruptsOff = 1,
    /// It delayed a handler for too long, or a thread with interrupts off.
    LongDelay = 2,
    /// It named a timer that does not exist.
    NoSuchTimer = 3,
    /// It named a timer of another driver.
    ForeignTimer = 4,
    /// It named a device that does not exist.
    NoDevice = 5,
    /// It named a device of another driver, of the kernel, or of nobody.
    ForeignDevice = 6,
    /// It named an address at which nothing of its devices is mapped.
    NoMapping = 7,
    /// It named a device address at which it has no memory.
    NoDmaMemory = 8,
    /// It called a function that blocks where preemption is off: in a function of a block device.
    ThreadOnlyPreemptionOff = 9,
    /// It submitted a request that is not valid.
    BadRequest = 10,
    /// It submitted a request that is outstanding already.
    RequestTwice = 11,
    /// It completed a request that is not outstanding.
    NotOutstanding = 12,
    /// It completed a request of another driver's device.
    ForeignRequest = 13,
    /// It named a block device that does not exist, or one of another driver.
    NoBlockDevice = 14,
    /// It described a block device that cannot be.
    BadBlockDevice = 15,
    /// Its handler has run for too long.
    LongHandler = 16,
    /// It has kept interrupts or preemption off for too long.
    LongSwitchedOff = 17,
    /// It completed a request that its function `Submit` has not taken.
    Untaken = 18,
}

/// The kinds of misuse that one driver has committed, bit n for kind n.
pub struct Misuses(AtomicU32);

impl Misuses {
    /// Returns a record without any.
    pub const fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    /// Forgets all, for another life of the driver.
    pub fn forget(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    /// Notes one. Returns true if it is the first of its kind: the caller logs that one, and no later one.
    pub fn note(&self, misuse: Misuse) -> bool {
        let bit = 1 << misuse as u32;
        // A driver that repeats its mistake does not write each time.
        self.0.load(Ordering::Relaxed) & bit == 0 && self.0.fetch_or(bit, Ordering::Relaxed) & bit == 0
    }
}
