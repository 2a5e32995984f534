//! The mutex: a lock whose waiters sleep, for work that takes long or allocates.
use super::semaphore::Semaphore;
use core::cell::UnsafeCell;
use core::marker::PhantomData;
use core::ops::{Deref, DerefMut};

/// A value that one thread at a time may access. Waiters sleep and get the mutex in the order in which they came.
///
/// Interrupt handlers and holders of a spin lock must not lock it.
pub struct Mutex<T> {
    free: Semaphore,
    value: UnsafeCell<T>,
}

// SAFETY: the semaphore has one unit, so one guard exists at a time, and it alone reaches the value.
unsafe impl<T: Send> Sync for Mutex<T> {}

impl<T> Mutex<T> {
    /// Creates a free mutex around `value`.
    pub const fn new(value: T) -> Self {
        Self { free: Semaphore::new(1), value: UnsafeCell::new(value) }
    }

    /// Waits for the mutex and takes it.
    #[track_caller]
    pub fn lock(&self) -> MutexGuard<'_, T> {
        self.free.acquire();
        MutexGuard { mutex: self, not_send: PhantomData }
    }
}

/// Holds a [`Mutex`] until dropped, on the thread that took it.
pub struct MutexGuard<'a, T> {
    mutex: &'a Mutex<T>,
    not_send: PhantomData<*const ()>,
}

// SAFETY: a shared guard gives out `&T` only, which `T: Sync` allows on any thread.
unsafe impl<T: Sync> Sync for MutexGuard<'_, T> {}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: this guard holds the semaphore's one unit, so no other guard exists.
        unsafe { &*self.mutex.value.get() }
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: this guard holds the semaphore's one unit, so no other guard exists.
        unsafe { &mut *self.mutex.value.get() }
    }
}

impl<T> Drop for MutexGuard<'_, T> {
    fn drop(&mut self) {
        self.mutex.free.release();
    }
}
