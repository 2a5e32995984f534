//! Requests to look: a CPU asks another one to look at what it runs, by an interrupt that is never off.
//!
//! Such an interrupt of unknown origin means that the hardware is broken. So each one that a CPU sends must find its request: there is one
//! request at a time, and the next one is made only when the CPU has taken the interrupt of the one before.
use crate::atomic::{AtomicU64, constructor};
use core::sync::atomic::Ordering::{AcqRel, Acquire, Release};

/// The request to one CPU to look: open or closed.
pub struct LookRequest {
    /// What the CPU is asked, or [`NONE`].
    open: AtomicU64,
}

const NONE: u64 = 0;

impl LookRequest {
    constructor! {
        /// Returns the state of a CPU that was never asked.
        pub fn closed() -> Self {
            Self { open: AtomicU64::new(NONE) }
        }
    }

    /// Asks the CPU `what`, which is not 0. Returns true if the caller must interrupt it, once; false if a request is open.
    pub fn ask(&self, what: u64) -> bool {
        self.open.compare_exchange(NONE, what, AcqRel, Acquire).is_ok()
    }

    /// Returns true if a request is open.
    pub fn is_open(&self) -> bool {
        self.open.load(Acquire) != NONE
    }

    /// Calls `look` with what the CPU is asked, and closes the request. Returns false if none is open. The CPU itself calls this, in the
    /// interrupt.
    pub fn serve(&self, look: impl FnOnce(u64)) -> bool {
        let what = self.open.load(Acquire);
        if what == NONE {
            return false;
        }
        look(what);
        // Release: whoever finds the request closed sees what the CPU has done.
        self.open.store(NONE, Release);
        true
    }
}
