//! The spin lock. Its type says what is off while it is held.
use super::rank::{Held, Rank};
use crate::arch::InterruptsOff;
use crate::cpu::{self, Pinned, PreemptionOff};
use core::ops::{Deref, DerefMut};
use spin::RelaxStrategy;
use spin::mutex::{TicketMutex, TicketMutexGuard};

/// A guard that a CPU makes before it takes a lock, and drops when it has released the lock.
///
/// The lock calls its `relax` again and again while another CPU holds the lock.
pub trait WhileHeld: Pinned + RelaxStrategy {
    /// Makes the guard.
    fn begin() -> Self;
}

impl WhileHeld for InterruptsOff {
    #[inline]
    fn begin() -> Self {
        Self::new()
    }
}

impl RelaxStrategy for InterruptsOff {
    #[inline]
    fn relax() {
        core::hint::spin_loop();
    }
}

impl WhileHeld for PreemptionOff {
    #[inline]
    fn begin() -> Self {
        Self::new()
    }
}

impl RelaxStrategy for PreemptionOff {
    /// Serves the other CPUs' requests, because the holder may be waiting for this CPU. Only threads wait here, and none of them
    /// waits while it uses its page cache.
    #[inline]
    fn relax() {
        cpu::serve_requests();
        core::hint::spin_loop();
    }
}

/// A value that one CPU at a time may touch. CPUs that wait for it get it in the order in which they came.
///
/// `Off` says what is off on that CPU meanwhile: [`InterruptsOff`] for a value that interrupt handlers touch, too, or
/// [`PreemptionOff`] for one that only threads touch. Non-maskable interrupts are never off; their handler takes no lock.
///
/// A lock has a [`Rank`], and a CPU takes only locks of a higher rank than those that it holds. Builds with debug assertions
/// check that.
pub struct SpinLock<T, Off = InterruptsOff> {
    value: TicketMutex<T, Off>,
    rank: Rank,
}

impl<T, Off: WhileHeld> SpinLock<T, Off> {
    /// Returns a free lock around `value`.
    pub const fn new(rank: Rank, value: T) -> Self {
        Self { value: TicketMutex::new(value), rank }
    }

    /// Waits for the lock and takes it.
    #[inline]
    pub fn lock(&self) -> SpinLockGuard<'_, T, Off> {
        let off = Off::begin();
        let held = Held::begin(self.rank, &off);
        let value = self.value.lock();
        SpinLockGuard { value, _held: held, off }
    }

    /// Takes the lock if it is free.
    pub fn try_lock(&self) -> Option<SpinLockGuard<'_, T, Off>> {
        let off = Off::begin();
        let value = self.value.try_lock()?;
        Some(SpinLockGuard { value, _held: Held::begin_unordered(self.rank, &off), off })
    }

    /// Takes the lock if it becomes free within `attempts` tries. A CPU that goes down calls this, as it may hold the lock itself.
    pub fn lock_within(&self, attempts: u32) -> Option<SpinLockGuard<'_, T, Off>> {
        for _ in 0..attempts {
            if let Some(guard) = self.try_lock() {
                return Some(guard);
            }
            core::hint::spin_loop();
        }
        None
    }
}

/// Holds a [`SpinLock`]. When dropped, releases the lock, then switches on again what was off. `Off` keeps it on its CPU: it is
/// neither `Send` nor `Sync`.
pub struct SpinLockGuard<'a, T, Off = InterruptsOff> {
    // Fields are dropped in order: the lock is free before an interrupt can come.
    value: TicketMutexGuard<'a, T, Off>,
    _held: Held,
    off: Off,
}

impl<T, Off> SpinLockGuard<'_, T, Off> {
    /// Releases the lock, and returns the guard of what is off.
    #[inline]
    pub fn unlock(self) -> Off {
        let Self { value, _held, off } = self;
        drop((value, _held));
        off
    }
}

impl<T, Off> Deref for SpinLockGuard<'_, T, Off> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T, Off> DerefMut for SpinLockGuard<'_, T, Off> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}
