//! The kernel's lock: a spin lock that keeps interrupts off on the CPU that holds it.
use crate::arch::InterruptsOff;
use core::ops::{Deref, DerefMut};

/// A value that one CPU at a time may touch, with interrupts off meanwhile, so that an interrupt handler may take the same
/// lock. Non-maskable interrupts still come: their handler takes no lock.
///
/// Order, outermost first; a CPU that holds one takes only those to its right:
/// stacks → heap → page tables → page allocator's nodes → event stream → console.
pub struct SpinLock<T>(spin::Mutex<T>);

impl<T> SpinLock<T> {
    /// A free lock around `value`.
    pub const fn new(value: T) -> Self {
        Self(spin::Mutex::new(value))
    }

    /// Waits for the lock and takes it.
    pub fn lock(&self) -> SpinLockGuard<'_, T> {
        let interrupts = InterruptsOff::new();
        SpinLockGuard { value: self.0.lock(), _interrupts: interrupts }
    }

    /// Takes the lock if it comes free within `attempts` looks at it; for a CPU that is going down and may hold it itself.
    pub fn lock_within(&self, attempts: u32) -> Option<SpinLockGuard<'_, T>> {
        let interrupts = InterruptsOff::new();
        for _ in 0..attempts {
            if let Some(value) = self.0.try_lock() {
                return Some(SpinLockGuard { value, _interrupts: interrupts });
            }
            core::hint::spin_loop();
        }
        None
    }
}

/// Holds a [`SpinLock`]; gives it back, then restores interrupts, when dropped.
pub struct SpinLockGuard<'a, T> {
    // Fields are dropped in order: the lock is free before an interrupt can come.
    value: spin::MutexGuard<'a, T>,
    _interrupts: InterruptsOff,
}

impl<T> Deref for SpinLockGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> DerefMut for SpinLockGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}
