//! Drain requests: a CPU asks another CPU to return the free pages in its cache.
//!
//! A cache belongs to its CPU, so only that CPU drains it. It does so when it neither uses its cache nor holds a lock of the page
//! allocator, and closes the request afterwards. A CPU that asks while a request is open joins that request. When it sees the
//! request closed, all pages that were in the cache when it asked are back on their node.
//!
//! A CPU that asks waits for a limited time, which counts from the moment when the request was opened. So a CPU that cannot answer,
//! because it waits for a lock that the asking CPU holds, delays others only once.
use crate::atomic::{AtomicU64, constructor};
use core::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};

/// The request to drain one CPU's cache: open or closed.
pub struct DrainRequest {
    /// The time when the open request was made, or [`NOT_ASKED`].
    asked_since: AtomicU64,
    /// The number of interrupts that were sent for requests.
    interrupts: AtomicU64,
}

const NOT_ASKED: u64 = 0;

/// How long a CPU waits for answers. Times are in any unit, of any clock that does not run backwards.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Patience {
    /// When the CPU began to wait.
    pub start: u64,
    /// How long it waits at most.
    pub limit: u64,
}

impl Patience {
    /// Returns true if the time to wait for a request that was made at `since` is over. `since` may be another CPU's time, whose
    /// clock may be ahead.
    fn is_over(self, since: u64, now: u64) -> bool {
        now.saturating_sub(since).max(now.saturating_sub(self.start)) > self.limit
    }
}

impl DrainRequest {
    constructor! {
        /// Returns the state of a CPU that was never asked.
        pub fn closed() -> Self {
            Self { asked_since: AtomicU64::new(NOT_ASKED), interrupts: AtomicU64::new(0) }
        }
    }

    /// Asks the CPU to drain its cache. Returns true if the caller must interrupt it, or false if a request was open already.
    pub fn ask(&self, now: u64) -> bool {
        // The models also hold with a relaxed exchange. On x86-64 the stronger order is free.
        let opened =
            self.asked_since.compare_exchange(NOT_ASKED, now.max(NOT_ASKED + 1), AcqRel, Acquire).is_ok();
        if opened {
            self.interrupts.fetch_add(1, Relaxed);
        }
        opened
    }

    /// Waits until the CPU has answered, or its cache is empty, or `patience` is over. Calls `pause` between two looks.
    ///
    /// Returns at once if no request is open. It also looks at the cache, because a CPU that is about to halt empties its cache before
    /// it closes the request.
    pub fn wait(
        &self,
        patience: Patience,
        now: impl Fn() -> u64,
        is_empty: impl Fn() -> bool,
        mut pause: impl FnMut(),
    ) {
        loop {
            // Acquire: if the request is closed, its pages are back.
            let since = self.asked_since.load(Acquire);
            if since == NOT_ASKED || is_empty() || patience.is_over(since, now()) {
                return;
            }
            pause();
        }
    }

    /// Returns true if a request is open. The CPU itself calls this, and calls it again when it is interrupted.
    #[inline]
    pub fn is_open(&self) -> bool {
        self.asked_since.load(Relaxed) != NOT_ASKED
    }

    /// Calls `drain`, which returns the CPU's pages to their node, then closes the request. The CPU itself calls this, and does not
    /// use its cache meanwhile.
    pub fn answer(&self, drain: impl FnOnce()) {
        drain();
        // Release: a CPU that sees the request closed sees the pages, too. A CPU that asks from now on opens a new request.
        self.asked_since.store(NOT_ASKED, Release);
    }

    /// Returns how often the CPU was interrupted for a request.
    pub fn interrupts(&self) -> u64 {
        self.interrupts.load(Relaxed)
    }
}
