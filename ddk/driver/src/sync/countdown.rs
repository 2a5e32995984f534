//! The countdown: operations that have not ended.
use super::wait::{self, Deadline};
#[cfg(not(loom))]
use core::sync::atomic::AtomicU32;
use core::sync::atomic::Ordering;
#[cfg(loom)]
use loom::sync::atomic::AtomicU32;

/// No thread waits. So the word becomes 0 only when the last operation ends for which a thread may wait.
const UNWAITED: u32 = 1 << 31;

/// How many operations have not ended. A thread waits until all have. It is a word as `Kernel_CountDown` counts down, so the kernel may do
/// what [`Self::end_one`] does.
///
/// The models are in `kernel/libs/block-slots/tests/loom.rs`.
#[repr(transparent)]
pub struct Countdown {
    /// The operations that have not ended, and [`UNWAITED`].
    state: AtomicU32,
}

impl Countdown {
    /// Returns a countdown at 0.
    #[cfg(not(loom))]
    #[must_use]
    pub const fn new() -> Self {
        Self { state: AtomicU32::new(UNWAITED) }
    }

    /// Returns a countdown at 0. loom's atomics have no constant constructors.
    #[cfg(loom)]
    #[must_use]
    pub fn new() -> Self {
        Self { state: AtomicU32::new(UNWAITED) }
    }

    /// Returns true if all operations have ended.
    #[inline(always)]
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.state.load(Ordering::Acquire) & !UNWAITED == 0
    }

    /// Begins so many operations, fewer than 2³¹. The countdown is over, and nobody waits.
    #[inline(always)]
    pub fn start(&self, count: u32) {
        self.state.store(UNWAITED | count, Ordering::Relaxed);
    }

    /// Ends one operation. May be called in a handler. After the last call the countdown may go: only its address is used.
    #[inline(always)]
    pub fn end_one(&self) {
        let word = core::ptr::from_ref(&self.state).cast();
        // This comparison needs no instruction besides the subtraction.
        if self.state.fetch_sub(1, Ordering::AcqRel) == 1 {
            wait::wake(word, i32::MAX);
        }
    }

    /// Waits until all operations have ended.
    #[inline]
    pub fn wait(&self) {
        if !self.is_over() {
            self.wait_until(Deadline::NEVER);
        }
    }

    /// Waits until all operations have ended, for at most so many nanoseconds. Returns false if the time has passed.
    #[must_use]
    pub fn wait_for(&self, time_ns: u64) -> bool {
        self.is_over() || self.wait_until(Deadline::after(time_ns))
    }

    #[cold]
    fn wait_until(&self, mut deadline: Deadline) -> bool {
        let mut is_in_time = true;
        while is_in_time {
            let left = self.state.fetch_and(!UNWAITED, Ordering::Acquire) & !UNWAITED;
            if left == 0 {
                return true;
            }
            is_in_time = wait::wait_until(&self.state, left, &mut deadline);
        }
        self.is_over()
    }
}

impl Default for Countdown {
    fn default() -> Self {
        Self::new()
    }
}
