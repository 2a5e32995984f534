//! The spin lock. Its type says what is off while it is held.
use super::rank::{Held, Rank};
use crate::arch::InterruptsOff;
use crate::cpu::{self, Pinned, PreemptionOff};
use core::cell::UnsafeCell;
use core::marker::PhantomData;
use core::ops::{Deref, DerefMut};
use ticket_lock::Tickets;

/// A guard that a CPU makes before it takes a lock, and drops when it has released the lock.
pub trait WhileHeld: Pinned {
    /// Makes the guard.
    fn begin() -> Self;

    /// Passes time while another CPU holds the lock. The lock calls it between two looks.
    #[inline]
    fn wait() {
        core::hint::spin_loop();
    }
}

impl WhileHeld for InterruptsOff {
    #[inline]
    fn begin() -> Self {
        Self::new()
    }
}

impl WhileHeld for PreemptionOff {
    #[inline]
    fn begin() -> Self {
        Self::new()
    }

    /// Serves the other CPUs' requests, because the holder may be waiting for this CPU. Only threads wait here, and none of them
    /// waits while it uses its page cache.
    #[inline]
    fn wait() {
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
    tickets: Tickets,
    rank: Rank,
    off: PhantomData<fn() -> Off>,
    value: UnsafeCell<T>,
}

// SAFETY: the tickets let one CPU at a time make a guard, and the guard alone reaches the value.
unsafe impl<T: Send, Off> Sync for SpinLock<T, Off> {}

impl<T, Off: WhileHeld> SpinLock<T, Off> {
    /// Returns a free lock around `value`.
    pub const fn new(rank: Rank, value: T) -> Self {
        Self { tickets: Tickets::new(), rank, off: PhantomData, value: UnsafeCell::new(value) }
    }

    /// Waits for the lock and takes it.
    #[inline]
    pub fn lock(&self) -> SpinLockGuard<'_, T, Off> {
        let off = Off::begin();
        let held = Held::begin(self.rank, &off);
        self.tickets.enter(Off::wait);
        SpinLockGuard { value: Served(self), _held: held, off }
    }

    /// Takes the lock if it is free.
    pub fn try_lock(&self) -> Option<SpinLockGuard<'_, T, Off>> {
        let off = Off::begin();
        if !self.tickets.try_enter() {
            return None;
        }
        Some(SpinLockGuard { value: Served(self), _held: Held::begin_unordered(self.rank, &off), off })
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

impl<T> SpinLock<T, InterruptsOff> {
    /// Waits for the lock and takes it, where interrupts are off already.
    #[inline]
    pub fn lock_with<'l>(&'l self, _: &'l InterruptsOff) -> SpinLockGuard<'l, T, InterruptsOff> {
        // SAFETY: the caller's guard keeps interrupts off, and outlives the result.
        let off = unsafe { InterruptsOff::assume() };
        let held = Held::begin(self.rank, &off);
        self.tickets.enter(InterruptsOff::wait);
        SpinLockGuard { value: Served(self), _held: held, off }
    }
}

/// Holds a [`SpinLock`]. When dropped, releases the lock, then switches on again what was off. `Off` keeps it on its CPU: it is
/// neither `Send` nor `Sync`.
pub struct SpinLockGuard<'a, T, Off = InterruptsOff> {
    // Fields are dropped in order: the lock is free before an interrupt can come.
    value: Served<'a, T, Off>,
    _held: Held,
    off: Off,
}

/// The turn at a lock: this CPU alone may reach the value. Dropping it serves the next CPU.
struct Served<'a, T, Off>(&'a SpinLock<T, Off>);

impl<T, Off> Drop for Served<'_, T, Off> {
    #[inline]
    fn drop(&mut self) {
        self.0.tickets.leave();
    }
}

impl<T, Off> SpinLockGuard<'_, T, Off> {
    /// Returns how many CPUs wait for the lock.
    pub fn waiting(&self) -> u32 {
        self.value.0.tickets.waiting()
    }

    /// Returns the guard of what is off.
    #[inline]
    pub fn off(&self) -> &Off {
        &self.off
    }

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
        // SAFETY: this guard has the lock's turn, so no other guard exists.
        unsafe { &*self.value.0.value.get() }
    }
}

impl<T, Off> DerefMut for SpinLockGuard<'_, T, Off> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: this guard has the lock's turn, so no other guard exists, and it is borrowed mutably.
        unsafe { &mut *self.value.0.value.get() }
    }
}
