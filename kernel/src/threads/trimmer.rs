//! The trimmer, a thread of the kernel that returns what the heaps do not need to the page allocator. Unmapping waits for other CPUs,
//! so no CPU does that on its way into a halt.
use super::lifecycle::{self, CreateError};
use super::sleep;
use super::thread::{Start, ThreadId};
use super::wait_queue::WaitQueue;
use crate::memory::heap;
use core::ffi::c_void;
use core::sync::atomic::{AtomicBool, Ordering};

/// How long the trimmer waits before it trims, so that heaps that shrink and grow again keep their frames.
const PATIENCE_NS: u64 = 50_000_000;

/// True while a CPU has returned blocks that the trimmer has not looked at.
static WANTED: WaitQueue<bool> = WaitQueue::new(false);
/// True from the time when `WANTED` is set until the trimmer begins to trim: CPUs that become idle meanwhile leave it alone.
static IS_ASKED: AtomicBool = AtomicBool::new(false);

/// Returns some blocks in this CPU's magazines to their node, and has the trimmer look when there are no more. Returns false if
/// the CPU has no magazine: it may halt.
#[inline]
pub fn drain_before_idle() -> bool {
    heap::has_magazines() && drain()
}

#[cold]
fn drain() -> bool {
    if !heap::drain_some() && !IS_ASKED.swap(true, Ordering::Relaxed) {
        WANTED.wake_one(|wanted| *wanted = true);
    }
    true
}

/// Starts the trimmer.
///
/// # Errors
/// [`CreateError`]; nothing was created.
pub fn start() -> Result<ThreadId, CreateError> {
    // SAFETY: `run` ignores its argument.
    let start = unsafe { Start::new(run, core::ptr::null_mut()) };
    lifecycle::create("trimmer", start, None)
}

unsafe extern "C" fn run(_: *mut c_void) -> i32 {
    loop {
        WANTED.wait(|wanted| core::mem::take(wanted).then_some(()));
        sleep::sleep_ns(PATIENCE_NS);
        IS_ASKED.store(false, Ordering::Relaxed);
        heap::trim();
    }
}
