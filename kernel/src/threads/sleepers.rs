//! A CPU's sleeping threads, by the time at which they wake.
use super::thread::{Thread, ThreadId};
use core::sync::atomic::Ordering;
use intrusive_collections::rbtree::RBTree;
use intrusive_collections::{Bound, KeyAdapter, RBTreeAtomicLink, intrusive_adapter};
use run_queue::Blocked;

intrusive_adapter!(ByWakeTime = &'static Thread: Thread { sleep_link => RBTreeAtomicLink });

impl<'a> KeyAdapter<'a> for ByWakeTime {
    type Key = (u64, ThreadId);

    fn get_key(&self, thread: &'a Thread) -> Self::Key {
        key(thread)
    }
}

fn key(thread: &Thread) -> (u64, ThreadId) {
    (thread.wake_at.load(Ordering::Relaxed), thread.id)
}

/// A red-black tree through the threads themselves, so that neither sleeping nor waking allocates. Both take a number of steps
/// that grows with the logarithm of the number of sleepers.
pub struct Sleepers(RBTree<ByWakeTime>);

impl Sleepers {
    /// Creates a tree without sleepers.
    pub const fn new() -> Self {
        Self(RBTree::new(ByWakeTime::NEW))
    }

    /// Blocks the running thread until `clock::now_here` returns at least `wake_at` on this CPU. The caller releases the lock
    /// around the sleepers, then switches to another thread, with interrupts off from before the call.
    pub fn push(&mut self, running: &'static Thread, wake_at: u64) {
        running.wake_at.store(wake_at, Ordering::Relaxed);
        self.0.insert(Blocked::block(running).into_thread());
    }

    /// Removes a thread that is to wake early. Returns `None` if the thread is not among the sleepers.
    pub fn remove(&mut self, thread: &Thread) -> Option<Blocked<Thread>> {
        self.0.find_mut(&key(thread)).remove().map(Blocked::claim)
    }

    /// Returns the time at which the first thread wakes, as `clock::now_here` returns it on this CPU.
    pub fn next_wake(&self) -> Option<u64> {
        self.0.front().get().map(|thread| thread.wake_at.load(Ordering::Relaxed))
    }

    /// Removes a thread whose time has come.
    #[inline]
    pub fn take_due(&mut self, now: u64) -> Option<Blocked<Thread>> {
        let mut first = self.0.lower_bound_mut(Bound::Unbounded);
        let is_due = first.get().is_some_and(|thread| thread.wake_at.load(Ordering::Relaxed) <= now);
        if is_due { first.remove().map(Blocked::claim) } else { None }
    }
}
