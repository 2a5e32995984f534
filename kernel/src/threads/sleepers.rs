//! A CPU's sleeping threads, by the time at which they wake.
use super::thread::{Thread, ThreadId};
use crate::arch::InterruptsOff;
use crate::sync::{Rank, SpinLock, SpinLockGuard};
use core::sync::atomic::{AtomicU64, Ordering};
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
    (wake_at(thread), thread.id)
}

fn wake_at(thread: &Thread) -> u64 {
    thread.wake_at.load(Ordering::Relaxed)
}

/// What [`Sleepers::look_at`] returns if no thread sleeps.
pub const NEVER: u64 = u64::MAX;

/// The threads that sleep on a CPU. Any CPU may wake one early; all else is the CPU's own.
pub struct Sleepers {
    threads: SpinLock<SleepingThreads>,
    /// No thread is due before this time. The CPU alone writes it, with interrupts off.
    look_at: AtomicU64,
}

/// A red-black tree through the threads themselves, so that neither sleeping nor waking allocates. Both take a number of steps
/// that grows with the logarithm of the number of sleepers.
///
/// The thread that came last is not in the tree. Most threads that sleep for a limited time are woken before it ends, and each of them
/// would be put into the tree for nothing.
pub struct SleepingThreads {
    last: Option<&'static Thread>,
    others: RBTree<ByWakeTime>,
}

impl Sleepers {
    /// Creates a set without sleepers.
    pub const fn new() -> Self {
        let threads = SleepingThreads { last: None, others: RBTree::new(ByWakeTime::NEW) };
        Self { threads: SpinLock::new(Rank::Sleepers, threads), look_at: AtomicU64::new(NEVER) }
    }

    /// Blocks the running thread until `clock::now_here` returns at least `wake_at` on this CPU. The caller drops the result, then switches
    /// to another thread, with interrupts off from before the call.
    #[inline]
    pub fn push<'s>(
        &'s self,
        running: &'static Thread,
        wake_at: u64,
        off: &'s InterruptsOff,
    ) -> SpinLockGuard<'s, SleepingThreads> {
        running.wake_at.store(wake_at, Ordering::Relaxed);
        let mut threads = self.threads.lock_with(off);
        if wake_at < self.look_at() {
            self.look_at.store(wake_at, Ordering::Relaxed);
        }
        if let Some(before) = threads.last.replace(Blocked::block(running).into_thread()) {
            threads.others.insert(before);
        }
        threads
    }

    /// Removes a thread that is to wake early. Returns `None` if the thread is not among the sleepers. Any CPU may call this.
    #[inline]
    pub fn remove(&self, thread: &Thread, off: &InterruptsOff) -> Option<Blocked<Thread>> {
        let mut threads = self.threads.lock_with(off);
        let is_last = threads.last.is_some_and(|last| core::ptr::eq(last, thread));
        let removed =
            if is_last { threads.last.take() } else { threads.others.find_mut(&key(thread)).remove() };
        removed.map(Blocked::claim)
    }

    /// Returns a time before which no thread is due, as `clock::now_here` returns it on this CPU. At that time the CPU calls
    /// [`Self::take_due`], which may find none: a thread that has waked early does not change the time.
    #[inline]
    pub fn look_at(&self) -> u64 {
        self.look_at.load(Ordering::Relaxed)
    }

    /// Removes a thread whose time has come. The CPU itself calls this, with interrupts off.
    #[inline]
    pub fn take_due(&self, now: u64) -> Option<Blocked<Thread>> {
        if now < self.look_at() { None } else { self.take_first_due(now) }
    }

    #[inline(never)]
    fn take_first_due(&self, now: u64) -> Option<Blocked<Thread>> {
        let mut threads = self.threads.lock();
        let SleepingThreads { last, others } = &mut *threads;
        let mut first = others.lower_bound_mut(Bound::Unbounded);
        let (of_last, of_first) = (last.map_or(NEVER, wake_at), first.get().map_or(NEVER, wake_at));
        let soonest = of_last.min(of_first);
        if soonest > now {
            self.look_at.store(soonest, Ordering::Relaxed);
            return None;
        }
        let due = if of_last < of_first { last.take() } else { first.remove() };
        due.map(Blocked::claim)
    }

    /// Returns true if the time of a thread has come. The CPU itself calls this, with interrupts off.
    pub fn is_any_due(&self, now: u64) -> bool {
        let threads = self.threads.lock();
        let mut all = threads.last.into_iter().chain(threads.others.front().get());
        all.any(|thread| wake_at(thread) <= now)
    }
}
