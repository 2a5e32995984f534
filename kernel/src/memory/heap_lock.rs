//! The lock of a node's heap: preemption is off while it is held.
//!
//! The lock is held for a bounded number of steps, in which the heap calls nothing outside of itself. So it has no rank: it comes
//! after all locks that have one, and no CPU holds two of them.
//!
//! Unlike `SpinLock`, it is not fair. With tickets, eight emulated CPUs on two cores took two to three times as long: they waited for
//! the one whose turn it was while it did not run.
use crate::cpu::PreemptionOff;
use core::sync::atomic::{AtomicBool, Ordering};
use lock_api::{GuardNoSend, RawMutex};

/// The lock. Interrupts stay on: no interrupt handler uses a heap.
pub struct HeapLock {
    held: AtomicBool,
}

impl HeapLock {
    #[cold]
    fn wait(&self) {
        while self.held.load(Ordering::Relaxed) {
            core::hint::spin_loop();
        }
    }
}

// SAFETY: of the CPUs that find `held` false, one sets it, and it stays set until that CPU calls `unlock`.
unsafe impl RawMutex for HeapLock {
    const INIT: Self = Self { held: AtomicBool::new(false) };

    type GuardMarker = GuardNoSend;

    #[inline]
    fn lock(&self) {
        core::mem::forget(PreemptionOff::new());
        while self.held.compare_exchange_weak(false, true, Ordering::Acquire, Ordering::Relaxed).is_err() {
            self.wait();
        }
    }

    #[inline]
    fn try_lock(&self) -> bool {
        let off = PreemptionOff::new();
        let taken = self.held.compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed).is_ok();
        if taken {
            core::mem::forget(off);
        }
        taken
    }

    #[inline]
    unsafe fn unlock(&self) {
        self.held.store(false, Ordering::Release);
        // SAFETY: `lock` or `try_lock` has forgotten the guard on this CPU: preemption has been off since.
        drop(unsafe { PreemptionOff::resume() });
    }
}
