//! How long the kernel waits for a driver's functions before it goes on without them.
use core::fmt;
use core::sync::atomic::{AtomicU32, Ordering};

/// What the kernel waits when no parameter says otherwise.
const DEFAULT_SECONDS: u32 = 10;

static SECONDS: AtomicU32 = AtomicU32::new(DEFAULT_SECONDS);

/// A length of time, shown as `10 s`.
#[derive(Clone, Copy)]
pub struct Patience {
    seconds: u32,
}

impl Patience {
    /// Returns it in nanoseconds.
    pub fn ns(self) -> u64 {
        u64::from(self.seconds) * 1_000_000_000
    }
}

impl fmt::Display for Patience {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} s", self.seconds)
    }
}

/// Returns how long the caller of a driver's function waits for its end before it goes on.
pub fn patience() -> Patience {
    Patience { seconds: SECONDS.load(Ordering::Relaxed) }
}

/// Lets the kernel wait this many seconds from now on.
pub fn set_patience(seconds: u32) {
    SECONDS.store(seconds, Ordering::Relaxed);
}
