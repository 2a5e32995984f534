//! The barrier: a CPU proves that it has handled every interrupt of a device that had reached it, and runs none of the handlers
//! that were there before.
//!
//! - **A CPU that asks** changes what others read, for example takes a handler out of a CPU's table. Then it asks that CPU, sends
//!   it an interrupt, and waits until the CPU has answered.
//! - **The interrupt has the lowest priority of all.** A CPU takes it only when its interrupts are on and no other interrupt
//!   waits. So no handler runs on that CPU when it answers, and each interrupt that reached the CPU before the barrier was handled.
//!
//! A request is a number, and an answer is the highest number that the CPU has seen. So an answer serves all who asked before it,
//! and two interrupts that become one lose nothing.
use crate::atomic::{AtomicU64, constructor};
use core::sync::atomic::Ordering::{AcqRel, Acquire, Release};

/// The requests to one CPU, and its answers.
pub struct Barrier {
    asked: AtomicU64,
    answered: AtomicU64,
}

impl Barrier {
    constructor! {
        /// Returns the state of a CPU that was never asked.
        pub fn new() -> Self {
            Self { asked: AtomicU64::new(0), answered: AtomicU64::new(0) }
        }
    }

    /// Asks the CPU, and returns the number of the request. The caller then interrupts the CPU, in any case.
    pub fn ask(&self) -> u64 {
        // Release: the CPU that answers this request sees what the caller changed before.
        self.asked.fetch_add(1, AcqRel) + 1
    }

    /// Answers all requests so far. The CPU itself calls this, and runs no handler of a device.
    #[inline]
    pub fn answer(&self) {
        let asked = self.asked.load(Acquire);
        // Release: a CPU that sees the answer sees all that handlers did before.
        self.answered.store(asked, Release);
    }

    /// Returns true if the CPU has answered this request.
    pub fn has_answered(&self, request: u64) -> bool {
        self.answered.load(Acquire) >= request
    }
}

#[cfg(not(loom))]
impl Default for Barrier {
    fn default() -> Self {
        Self::new()
    }
}
