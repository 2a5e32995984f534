//! A queue in which threads wait for something to become true.
use super::cpu_threads;
use super::scheduler;
use super::thread::Thread;
use crate::sync::{Rank, SpinLock};
use run_queue::WaitList;

/// A value, and the threads that wait for it to change, first come, first served.
///
/// A spin lock that keeps interrupts off guards the value, so an interrupt handler may change it and wake threads.
pub struct WaitQueue<T> {
    inner: SpinLock<Waiting<T>>,
}

struct Waiting<T> {
    value: T,
    threads: WaitList<Thread>,
}

impl<T> WaitQueue<T> {
    /// Creates a queue in which no thread waits.
    pub const fn new(value: T) -> Self {
        Self { inner: SpinLock::new(Rank::Waiting, Waiting { value, threads: WaitList::new() }) }
    }

    /// Waits until `take` returns something. Calls `take` at once and whenever the thread is woken.
    #[track_caller]
    pub fn wait<R>(&self, mut take: impl FnMut(&mut T) -> Option<R>) -> R {
        scheduler::assert_may_wait();
        loop {
            let mut waiting = self.inner.lock();
            if let Some(result) = take(&mut waiting.value) {
                return result;
            }
            waiting.threads.push(cpu_threads::current_thread());
            scheduler::block(waiting);
        }
    }

    /// Changes the value and wakes the thread that has waited longest, if one waits.
    pub fn wake_one<R>(&self, change: impl FnOnce(&mut T) -> R) -> R {
        let mut waiting = self.inner.lock();
        let result = change(&mut waiting.value);
        let woken = waiting.threads.pop();
        drop(waiting);
        if let Some(thread) = woken {
            scheduler::wake(thread);
        }
        result
    }
}
