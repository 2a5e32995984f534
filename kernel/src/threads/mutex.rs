//! A lock whose waiters sleep; for what takes long, or allocates.
use super::semaphore::Semaphore;
use core::cell::UnsafeCell;
use core::ops::{Deref, DerefMut};

/// A value that one thread at a time may touch. Waiters sleep and get it in the order in which they came. Not for interrupt
/// handlers, nor while a spin lock is held.
pub struct Mutex<T> {
    free: Semaphore,
    value: UnsafeCell<T>,
}

// SAFETY: the semaphore's one unit lets one thread at a time at the value.
unsafe impl<T: Send> Sync for Mutex<T> {}

impl<T> Mutex<T> {
    /// A free mutex around `value`.
    pub const fn new(value: T) -> Self {
        Self { free: Semaphore::new(1), value: UnsafeCell::new(value) }
    }

    /// Waits for the mutex and takes it.
    pub fn lock(&self) -> MutexGuard<'_, T> {
        self.free.acquire();
        MutexGuard { mutex: self }
    }
}

/// Holds a [`Mutex`] until dropped.
pub struct MutexGuard<'a, T> {
    mutex: &'a Mutex<T>,
}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: this guard holds the one unit.
        unsafe { &*self.mutex.value.get() }
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: this guard holds the one unit.
        unsafe { &mut *self.mutex.value.get() }
    }
}

impl<T> Drop for MutexGuard<'_, T> {
    fn drop(&mut self) {
        self.mutex.free.release();
    }
}
