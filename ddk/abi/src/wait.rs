//! Waiting at an address. `proxima_sync.h` and the crate `driver_kit` build locks and events on it.
use core::ffi::c_int;

/// The time of a wait that has no limit.
pub const KERNEL_WAIT_FOREVER: u64 = u64::MAX;

/// `Kernel_WaitAddress`: the thread was woken, or the word has another value than expected.
pub const KERNEL_WAIT_WOKEN: c_int = 0;
/// `Kernel_WaitAddress`: the time has passed.
pub const KERNEL_WAIT_TIMED_OUT: c_int = 1;
/// `Kernel_WaitAddress`: the driver is being stopped, and its threads should end.
pub const KERNEL_WAIT_STOPPING: c_int = 2;

unsafe extern "C" {
    /// \[thread\] Waits until another thread or a handler wakes this address, if `*word` has the value `expected`. No wake-up is
    /// lost whose caller has changed the word before. The kernel reads the word once, atomically, before the thread waits.
    ///
    /// Returns `KERNEL_WAIT_WOKEN` if the thread was woken, or at once if the word has another value. Returns
    /// `KERNEL_WAIT_TIMED_OUT` if it was not woken within so many nanoseconds, which the tick may make a millisecond longer;
    /// with 0 it does not wait. `KERNEL_WAIT_FOREVER` is no limit. Returns -1 if `word` is null, misaligned or not mapped, in a
    /// handler, and with interrupts off.
    pub fn Kernel_WaitAddress(word: *const u32, expected: u32, nanoseconds: u64) -> c_int;

    /// \[any\] Wakes threads that wait at this address, those that have waited longest first, `count` of them at most. The
    /// kernel does not read the word, so the memory may be gone.
    ///
    /// In a handler, in a function of a block device and with interrupts off, it wakes 8 threads, and the last of them wakes the others
    /// before `Kernel_WaitAddress` returns there.
    ///
    /// Returns how many it has woken, without those that another thread wakes.
    pub fn Kernel_WakeAddress(word: *const u32, count: c_int) -> c_int;
}
