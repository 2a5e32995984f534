//! The spin lock: for what interrupt handlers and timers touch, too.
use super::interrupts::InterruptsOff;
use core::cell::UnsafeCell;
use core::marker::PhantomData;
use core::ops::{Deref, DerefMut};
use core::sync::atomic::{AtomicU16, Ordering};

/// A value that one CPU at a time may touch. CPUs that wait get it in the order in which they came. Interrupts are off while it is
/// held, so its holder must not wait or allocate: the kernel refuses calls that might.
///
/// Of two locks that one CPU holds, the one that was locked last is unlocked first.
#[derive(Default)]
pub struct SpinLock<T> {
    /// The ticket that the next CPU takes.
    next: AtomicU16,
    /// The ticket that is served. Only the holder writes it.
    served: AtomicU16,
    value: UnsafeCell<T>,
}

// SAFETY: the tickets let one CPU at a time make a guard, and the guard alone reaches the value.
unsafe impl<T: Send> Sync for SpinLock<T> {}

impl<T> SpinLock<T> {
    /// Returns a free lock around `value`.
    pub const fn new(value: T) -> Self {
        Self { next: AtomicU16::new(0), served: AtomicU16::new(0), value: UnsafeCell::new(value) }
    }

    /// Waits for the lock and takes it.
    #[inline(always)]
    pub fn lock(&self) -> SpinGuard<'_, T> {
        let off = InterruptsOff::new();
        // The tickets go round. There are far fewer CPUs than tickets.
        let ticket = self.next.fetch_add(1, Ordering::Relaxed);
        if self.served.load(Ordering::Acquire) != ticket {
            self.wait(ticket);
        }
        SpinGuard { lock: self, off, not_send: PhantomData }
    }

    #[cold]
    fn wait(&self, ticket: u16) {
        while self.served.load(Ordering::Acquire) != ticket {
            super::interrupts::spin();
        }
    }
}

/// Holds a [`SpinLock`] until dropped, on the CPU that took it.
pub struct SpinGuard<'a, T> {
    lock: &'a SpinLock<T>,
    off: InterruptsOff,
    not_send: PhantomData<*const ()>,
}

// SAFETY: a shared guard gives out `&T` only, which `T: Sync` allows on any CPU.
unsafe impl<T: Sync> Sync for SpinGuard<'_, T> {}

impl<T> Deref for SpinGuard<'_, T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        // SAFETY: this guard has the lock's ticket, so no other guard exists.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T> DerefMut for SpinGuard<'_, T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: this guard has the lock's ticket, so no other guard exists, and it is borrowed mutably.
        unsafe { &mut *self.lock.value.get() }
    }
}

impl<T> Drop for SpinGuard<'_, T> {
    #[inline(always)]
    fn drop(&mut self) {
        let served = &self.lock.served;
        served.store(served.load(Ordering::Relaxed).wrapping_add(1), Ordering::Release);
        self.off.restore();
    }
}
