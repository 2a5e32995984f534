//! Waiting until a word changes, for the other files of this folder.
use crate::thread;
use crate::time;
use core::sync::atomic::AtomicU32;

/// When a wait ends.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Deadline(u64);

impl Deadline {
    /// The wait has no limit.
    pub const NEVER: Self = Self(abi::KERNEL_WAIT_FOREVER);

    /// Returns the deadline of a wait that begins now and takes at most so many nanoseconds.
    pub fn after(time_ns: u64) -> Self {
        Self(time::now_ns().saturating_add(time_ns))
    }
}

/// Waits until the word may have changed from `expected`. Returns false if the deadline has come.
///
/// # Panics
/// In a handler, or with a spin lock held: nothing may wait there.
#[cold]
pub fn wait_until(word: &AtomicU32, expected: u32, deadline: Deadline) -> bool {
    let time_ns = match deadline {
        Deadline::NEVER => abi::KERNEL_WAIT_FOREVER,
        Deadline(end) => end.saturating_sub(time::now_ns()),
    };
    // SAFETY: the word exists as long as the reference, and all accesses are atomic.
    match unsafe { abi::Kernel_WaitAddress(word.as_ptr(), expected, time_ns) } {
        abi::KERNEL_WAIT_WOKEN => true,
        abi::KERNEL_WAIT_TIMED_OUT => false,
        abi::KERNEL_WAIT_STOPPING => {
            // The caller goes on only with what it waits for. The holder needs the CPU meanwhile.
            thread::yield_now();
            time_ns != 0
        }
        _ => panic!("a driver waits in a handler, or with a spin lock held"),
    }
}

/// Wakes up to `most` threads that wait for the word to change. The word may be gone.
#[cold]
pub fn wake(word: *const u32, most: i32) {
    // SAFETY: the kernel takes the address as a number and does not follow it.
    unsafe { abi::Kernel_WakeAddress(word, most) };
}
