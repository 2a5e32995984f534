//! Sleeping: each CPU's sleepers by the time they wake, and the tick that wakes them.
use super::cpu_threads::{self, CpuThreads};
use super::scheduler;
use super::thread::{State, Thread, ThreadId};
use crate::arch::InterruptsOff;
use crate::clock;
use core::sync::atomic::Ordering;
use intrusive_collections::rbtree::RBTree;
use intrusive_collections::{Bound, KeyAdapter, RBTreeAtomicLink, intrusive_adapter};

/// A thread's place in the tree.
pub type SleepLink = RBTreeAtomicLink;

intrusive_adapter!(pub ByWakeTime = &'static Thread: Thread { sleep_link => RBTreeAtomicLink });

impl<'a> KeyAdapter<'a> for ByWakeTime {
    type Key = (u64, ThreadId);

    fn get_key(&self, thread: &'a Thread) -> Self::Key {
        (thread.wake_at.load(Ordering::Relaxed), thread.id)
    }
}

/// A CPU's sleepers: a red-black tree through the threads themselves, so that neither sleeping nor waking allocates. Going to
/// sleep costs the logarithm of how many sleep, waking the same.
pub struct Sleepers(RBTree<ByWakeTime>);

impl Sleepers {
    /// Nobody sleeps.
    pub const fn new() -> Self {
        Self(RBTree::new(ByWakeTime::NEW))
    }

    /// When the first one wakes.
    pub fn next_wake(&self) -> Option<u64> {
        self.0.front().get().map(|thread| thread.wake_at.load(Ordering::Relaxed))
    }

    fn take_due(&mut self, now: u64) -> Option<&'static Thread> {
        let mut first = self.0.lower_bound_mut(Bound::Unbounded);
        let due = first.get().is_some_and(|thread| thread.wake_at.load(Ordering::Relaxed) <= now);
        if due { first.remove() } else { None }
    }
}

/// Lets the running thread sleep at least this long. Others run meanwhile.
pub fn sleep_ns(time_ns: u64) {
    let _off = InterruptsOff::new();
    let wake_at = clock::now_here().saturating_add(clock::ticks_in_ns(time_ns));
    let cpu = cpu_threads::current();
    let thread = cpu_threads::current_thread();
    thread.wake_at.store(wake_at, Ordering::Relaxed);
    {
        let mut sleepers = cpu.sleepers.lock();
        thread.set_state(State::Blocked);
        sleepers.0.insert(thread);
    }
    scheduler::block_with_interrupts_off(cpu);
}

/// Wakes those of the CPU's sleepers whose time has come. For the CPU itself, with interrupts off.
pub fn wake_due(cpu: &'static CpuThreads) {
    let now = clock::now_here();
    loop {
        let due = cpu.sleepers.lock().take_due(now);
        match due {
            Some(thread) => scheduler::wake(thread),
            None => return,
        }
    }
}
