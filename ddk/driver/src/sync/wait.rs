//! Waiting until a word changes, for the other files of this folder.
use crate::thread;
use crate::time;
use core::sync::atomic::AtomicU32;

/// When a wait ends.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Deadline {
    end: u64,
    /// The time that is left; `None` if it has to be worked out.
    left: Option<u64>,
}

impl Deadline {
    /// The wait has no limit.
    pub const NEVER: Self = Self { end: abi::KERNEL_WAIT_FOREVER, left: Some(abi::KERNEL_WAIT_FOREVER) };

    /// Returns the deadline of a wait that begins now and takes at most so many nanoseconds.
    pub fn after(time_ns: u64) -> Self {
        Self { end: time::now_ns().saturating_add(time_ns), left: Some(time_ns) }
    }

    /// Returns the time that is left. Only the first wait takes it as it was given: the next one reads the clock.
    fn take_left(&mut self) -> u64 {
        if self.end == abi::KERNEL_WAIT_FOREVER {
            return self.end;
        }
        self.left.take().unwrap_or_else(|| self.end.saturating_sub(time::now_ns()))
    }
}

/// Waits until the word may have changed from `expected`. Returns false if the deadline has come.
///
/// # Panics
/// In a handler, or with a spin lock held: nothing may wait there.
#[cold]
pub fn wait_until(word: &AtomicU32, expected: u32, deadline: &mut Deadline) -> bool {
    let time_ns = deadline.take_left();
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
