//! The lock that spins. Its type says what is off while it is held.
use super::rank::{Held, Rank};
use crate::arch::InterruptsOff;
use crate::cpu::{self, PreemptionOff};
use core::marker::PhantomData;
use core::ops::{Deref, DerefMut};

/// What a CPU switches off before it takes a lock, and back on when it has given it up.
pub trait WhileHeld {
    /// Switches it off.
    fn begin() -> Self;

    /// What is done, again and again, while the lock is another CPU's.
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

    /// The holder may be waiting for this CPU. Only threads wait here, and none with its page cache in hand.
    #[inline]
    fn wait() {
        cpu::serve_requests();
        core::hint::spin_loop();
    }
}

/// A value that one CPU at a time may touch.
///
/// `Off` is what is off on the CPU meanwhile: [`InterruptsOff`], for what an interrupt handler touches as well, or
/// [`PreemptionOff`], for what only threads do. Non-maskable interrupts come all the same: their
/// handler takes no lock.
///
/// A lock has a [`Rank`], and a CPU takes only locks of a higher rank than those that it holds; builds with debug
/// assertions check it.
pub struct SpinLock<T, Off = InterruptsOff> {
    value: spin::Mutex<T>,
    rank: Rank,
    off: PhantomData<fn() -> Off>,
}

impl<T, Off: WhileHeld> SpinLock<T, Off> {
    /// A free lock around `value`.
    pub const fn new(rank: Rank, value: T) -> Self {
        Self { value: spin::Mutex::new(value), rank, off: PhantomData }
    }

    /// Waits for the lock and takes it.
    #[inline]
    pub fn lock(&self) -> SpinLockGuard<'_, T, Off> {
        let off = Off::begin();
        let held = Held::begin(self.rank);
        let value = loop {
            match self.value.try_lock() {
                Some(value) => break value,
                None => Off::wait(),
            }
        };
        SpinLockGuard { value, _held: held, _off: off }
    }

    /// Takes the lock if it is free.
    pub fn try_lock(&self) -> Option<SpinLockGuard<'_, T, Off>> {
        let off = Off::begin();
        let value = self.value.try_lock()?;
        Some(SpinLockGuard { value, _held: Held::begin_unchecked(self.rank), _off: off })
    }

    /// Takes the lock if it comes free within `attempts` looks at it; for a CPU that is going down and may hold it itself.
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

/// Holds a [`SpinLock`]; when dropped gives it back, then switches back on what was off.
pub struct SpinLockGuard<'a, T, Off = InterruptsOff> {
    // Fields are dropped in order: the lock is free before an interrupt can come.
    value: spin::MutexGuard<'a, T>,
    _held: Held,
    _off: Off,
}

impl<T, Off> SpinLockGuard<'_, T, Off> {
    /// Gives the lock up, and leaves off what is off until the result is dropped.
    #[inline]
    pub fn unlock(self) -> Off {
        let Self { value, _held, _off } = self;
        drop((value, _held));
        _off
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
