//! A queue in which threads wait for something to become true.
use super::scheduler;
use super::thread_list::ThreadList;
use crate::sync::{Rank, SpinLock};

/// Threads that wait, first come first served, around the value that they wait for.
///
/// The value is guarded by a spin lock that keeps interrupts off, so an interrupt handler may change it and wake.
pub struct WaitQueue<T> {
    inner: SpinLock<Waiting<T>>,
}

struct Waiting<T> {
    value: T,
    threads: ThreadList,
}

impl<T> WaitQueue<T> {
    /// A queue in which nobody waits.
    pub const fn new(value: T) -> Self {
        Self { inner: SpinLock::new(Rank::Waiting, Waiting { value, threads: ThreadList::new() }) }
    }

    /// Waits until `take` gets something out of the value, which it is shown whenever the thread is woken.
    pub fn wait<R>(&self, mut take: impl FnMut(&mut T) -> Option<R>) -> R {
        loop {
            let mut waiting = self.inner.lock();
            if let Some(result) = take(&mut waiting.value) {
                return result;
            }
            waiting.threads.push(scheduler::current_thread());
            scheduler::block(waiting);
        }
    }

    /// Changes the value and wakes the thread that has waited longest, if there is one.
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

    /// Changes the value and wakes all that wait.
    pub fn wake_all<R>(&self, change: impl FnOnce(&mut T) -> R) -> R {
        let mut waiting = self.inner.lock();
        let result = change(&mut waiting.value);
        let mut woken = core::mem::replace(&mut waiting.threads, ThreadList::new());
        drop(waiting);
        while let Some(thread) = woken.pop() {
            scheduler::wake(thread);
        }
        result
    }
}
