//! The order in which locks are taken, and its check.
#[cfg(debug_assertions)]
use crate::cpu::cpu_local;
#[cfg(debug_assertions)]
use core::sync::atomic::{AtomicU32, Ordering};

#[cfg(debug_assertions)]
cpu_local! {
    /// The ranks of the locks that the CPU holds: bit n for rank n.
    static HELD: AtomicU32 = AtomicU32::new(0);
}

/// A lock's place in the order: a CPU that holds one takes only those further down this list, and never two of one
/// rank. The page allocator's own locks come after all of these; they are never held together.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[repr(u8)]
pub enum Rank {
    /// The stacks' windows, whose lists of free places are in the heap.
    Stacks,
    /// A node's heap; growing it maps pages.
    Heap,
    /// The page tables; missing tables take pages.
    PageTables,
    /// The table of threads.
    Threads,
    /// What threads wait at: wait queues, mutexes, semaphores.
    Waiting,
    /// A CPU's sleeping threads.
    Sleepers,
    /// A CPU's run queue.
    RunQueue,
    /// How long boot's phases took.
    Phases,
    /// The event stream.
    Events,
    /// The console.
    Console,
}

/// Returns true if this CPU holds no spin lock. Without debug assertions the result is always true.
pub fn none_held() -> bool {
    #[cfg(debug_assertions)]
    return HELD.here().load(Ordering::Relaxed) == 0;
    #[cfg(not(debug_assertions))]
    true
}

/// Keeps account of a lock that this CPU holds. Without debug assertions it is nothing at all.
pub struct Held {
    #[cfg(debug_assertions)]
    rank: Rank,
}

#[cfg(debug_assertions)]
impl Held {
    /// Notes that a lock of this rank is about to be taken.
    ///
    /// # Panics
    /// When this CPU holds one of the same rank or one that comes later.
    pub fn begin(rank: Rank) -> Self {
        let held = HELD.here().load(Ordering::Relaxed);
        let later = held >> rank as u8;
        assert!(later == 0, "a lock of rank {rank:?} is wanted while those in {held:#b} are held");
        Self::begin_unchecked(rank)
    }

    /// Notes that a lock of this rank was taken without waiting, which cannot deadlock.
    pub fn begin_unchecked(rank: Rank) -> Self {
        HELD.here().fetch_or(1 << rank as u8, Ordering::Relaxed);
        Self { rank }
    }
}

#[cfg(debug_assertions)]
impl Drop for Held {
    fn drop(&mut self) {
        HELD.here().fetch_and(!(1 << self.rank as u8), Ordering::Relaxed);
    }
}

#[cfg(not(debug_assertions))]
impl Held {
    #[inline]
    pub fn begin(_: Rank) -> Self {
        Self {}
    }

    #[inline]
    pub fn begin_unchecked(_: Rank) -> Self {
        Self {}
    }
}
