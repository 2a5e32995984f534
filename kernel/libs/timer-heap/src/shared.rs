//! What all CPUs may read of a timer, and write, without a lock.
use super::SLOT_BITS;
use crate::atomic::{AtomicU32, AtomicU64, AtomicUsize};
use core::sync::atomic::Ordering;

/// The time of a timer that is not set. It is later than any other time.
pub const NEVER: u64 = u64::MAX;

/// A timer's id: above 0 and below 2³¹.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TimerId(pub u32);

/// A slot, with a timer or free. It has a cache line of its own.
#[repr(align(64))]
pub struct Shared {
    /// The timer's id; 0: the slot is free.
    id: AtomicU32,
    /// The owner of the timer that is or was here last; 0: none.
    owner: AtomicUsize,
    /// The time at which the timer is due.
    when: AtomicU64,
    /// The time from then to the next; 0: there is no next.
    period: AtomicU64,
    /// The time by which the heap is ordered; [`NEVER`] if the timer is not in the heap. Written under the lock alone.
    queued: AtomicU64,
}

impl Shared {
    /// Creates a free slot.
    #[must_use]
    pub fn new() -> Self {
        Self {
            id: AtomicU32::new(0),
            owner: AtomicUsize::new(0),
            when: AtomicU64::new(NEVER),
            period: AtomicU64::new(0),
            queued: AtomicU64::new(NEVER),
        }
    }

    /// Returns the owner of the timer.
    #[inline(always)]
    pub fn owner(&self) -> usize {
        self.owner.load(Ordering::Relaxed)
    }

    /// Sets the timer: it is due at `when`, and from then on each `period`, unless that is 0. [`NEVER`] stops it. Returns true if
    /// the caller has to call [`super::Timers::requeue`] then, because the timer is due earlier than by what it is queued.
    #[inline(always)]
    #[must_use = "the timer may have to be queued"]
    pub fn set(&self, when: u64, period: u64) -> bool {
        self.period.store(period, Ordering::Relaxed);
        self.when.swap(when, Ordering::SeqCst);
        // loom takes a `SeqCst` access for a weaker one.
        #[cfg(loom)]
        loom::sync::atomic::fence(Ordering::SeqCst);
        self.queued.load(Ordering::SeqCst) > when
    }

    /// Returns when a timer that was due at `when` is due next, at a time after `now`.
    pub(crate) fn next_time(&self, when: u64, now: u64) -> u64 {
        let period = self.period.load(Ordering::Relaxed);
        match when.saturating_add(period) {
            _ if period == 0 => NEVER,
            next if next > now => next,
            _ => now.saturating_add(period),
        }
    }

    pub(crate) fn when(&self) -> u64 {
        self.when.load(Ordering::Relaxed)
    }

    /// Changes the time at which the timer is due, unless it was set anew meanwhile. Returns true if it was not.
    pub(crate) fn replace_when(&self, from: u64, to: u64) -> bool {
        self.when.compare_exchange(from, to, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }

    #[inline(always)]
    pub(crate) fn queued(&self) -> u64 {
        self.queued.load(Ordering::Relaxed)
    }

    pub(crate) fn set_queued(&self, time: u64) {
        self.queued.store(time, Ordering::Relaxed);
    }

    #[inline(always)]
    pub(crate) fn id(&self) -> TimerId {
        TimerId(self.id.load(Ordering::Acquire))
    }

    pub(crate) fn begin(&self, id: TimerId, owner: usize) {
        self.owner.store(owner, Ordering::Relaxed);
        self.when.store(NEVER, Ordering::Relaxed);
        self.period.store(0, Ordering::Relaxed);
        self.id.store(id.0, Ordering::Release);
    }

    /// Reserves slot 0, so that no id is 0: what is there is the id of another slot, which nobody finds here.
    pub(crate) fn reserve_first(&self) {
        self.id.store(1, Ordering::Relaxed);
    }

    pub(crate) fn end(&self) {
        self.id.store(0, Ordering::Relaxed);
    }

    pub(crate) fn release(&self) {
        self.owner.store(0, Ordering::Relaxed);
    }

    fn is_free_of(&self, owner: usize) -> bool {
        self.id() == TimerId(0) && self.owner() == owner
    }
}

impl Default for Shared {
    fn default() -> Self {
        Self::new()
    }
}

/// Returns the timer with this id, or `None` if there is none.
#[inline(always)]
#[must_use]
pub fn find(slots: &[Shared; super::SLOTS], id: TimerId) -> Option<&Shared> {
    let slot = &slots[id.0 as usize % (1 << SLOT_BITS)];
    // A free slot has the id 0, which leads to slot 0 alone, and that one is reserved.
    (slot.id() == id).then_some(slot)
}

/// Returns a slot for a timer of this owner, for [`super::Timers::create`]: one that it has used before, else one that is nobody's.
/// Returns `None` if there is none.
#[must_use]
pub fn free_slot(slots: &[Shared], owner: usize) -> Option<usize> {
    let of = |owner: usize| slots.iter().position(|slot| slot.is_free_of(owner));
    of(owner).or_else(|| of(0))
}

/// Returns the ids of an owner's timers.
pub fn ids_of(slots: &[Shared], owner: usize) -> impl Iterator<Item = TimerId> {
    slots.iter().filter(move |slot| slot.owner() == owner).map(Shared::id).filter(|id| *id != TimerId(0))
}
