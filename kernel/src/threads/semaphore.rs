//! A counting semaphore whose waiters sleep.
use super::cpu_threads;
use super::scheduler;
use super::thread::Thread;
use crate::sync::{Rank, SpinLock};
use run_queue::WaitList;

/// Units that threads take and release. A unit that is released while threads wait goes to the one that has waited longest.
pub struct Semaphore {
    inner: SpinLock<Units>,
}

struct Units {
    free: usize,
    waiters: WaitList<Thread>,
}

impl Semaphore {
    /// Creates a semaphore with `units` free units.
    pub const fn new(units: usize) -> Self {
        Self { inner: SpinLock::new(Rank::Waiting, Units { free: units, waiters: WaitList::new() }) }
    }

    /// Takes a unit. Waits until one is free.
    #[track_caller]
    pub fn acquire(&self) {
        scheduler::assert_may_wait();
        let mut units = self.inner.lock();
        if units.free > 0 {
            units.free -= 1;
            return;
        }
        units.waiters.push(cpu_threads::current_thread());
        // `release` hands the unit to the thread that it wakes.
        scheduler::block(units);
    }

    /// Releases a unit. Interrupt handlers may call this.
    pub fn release(&self) {
        let mut units = self.inner.lock();
        match units.waiters.pop() {
            Some(thread) => {
                drop(units);
                scheduler::wake(thread);
            }
            None => units.free += 1,
        }
    }
}
