//! What is counted of a handler, and of a line.
use crate::atomic::{AtomicU32, AtomicU64, constructor};
use core::sync::atomic::Ordering::Relaxed;

/// So many interrupts in a row that no handler claims make a line useless.
pub const STREAK_LIMIT: u32 = 1000;

/// The runs of one handler. One CPU at a time runs it, and any CPU may read.
pub struct Tally {
    runs: AtomicU64,
    unclaimed: AtomicU64,
    longest: AtomicU64,
}

/// What a [`Tally`] has counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// How many times the handler ran.
    pub runs: u64,
    /// How many times it did not claim the interrupt.
    pub unclaimed: u64,
    /// How long the longest run took, in the caller's ticks.
    pub longest: u64,
}

impl Tally {
    constructor! {
        /// Returns the state of a handler that has not run.
        pub fn new() -> Self {
            Self { runs: AtomicU64::new(0), unclaimed: AtomicU64::new(0), longest: AtomicU64::new(0) }
        }
    }

    /// Counts a run.
    #[inline(always)]
    pub fn count(&self, is_claimed: bool) {
        self.runs.store(self.runs.load(Relaxed) + 1, Relaxed);
        if !is_claimed {
            self.unclaimed.store(self.unclaimed.load(Relaxed) + 1, Relaxed);
        }
    }

    /// Returns true if no run so far has taken so many ticks.
    #[inline(always)]
    pub fn is_longest(&self, ticks: u64) -> bool {
        ticks > self.longest.load(Relaxed)
    }

    /// Notes how long the longest run took.
    pub fn set_longest(&self, ticks: u64) {
        self.longest.store(ticks, Relaxed);
    }

    /// Returns what was counted so far.
    pub fn counts(&self) -> Counts {
        let (runs, unclaimed) = (self.runs.load(Relaxed), self.unclaimed.load(Relaxed));
        Counts { runs, unclaimed, longest: self.longest.load(Relaxed) }
    }
}

/// How many interrupts of a line in a row no handler has claimed. One CPU at a time counts.
pub struct Streak {
    unclaimed: AtomicU32,
}

impl Streak {
    constructor! {
        /// Returns the state of a line that has not interrupted.
        pub fn new() -> Self {
            Self { unclaimed: AtomicU32::new(0) }
        }
    }

    /// Counts an interrupt that a handler has claimed.
    #[inline(always)]
    pub fn claimed(&self) {
        self.unclaimed.store(0, Relaxed);
    }

    /// Counts an interrupt that no handler has claimed. Returns true if it completes [`STREAK_LIMIT`] of them; the count then
    /// begins anew.
    #[cold]
    pub fn unclaimed(&self) -> bool {
        let count = self.unclaimed.load(Relaxed) + 1;
        let is_complete = count >= STREAK_LIMIT;
        self.unclaimed.store(if is_complete { 0 } else { count }, Relaxed);
        is_complete
    }
}

#[cfg(not(loom))]
impl Default for Tally {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(not(loom))]
impl Default for Streak {
    fn default() -> Self {
        Self::new()
    }
}
