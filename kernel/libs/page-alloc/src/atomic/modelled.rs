//! Atomics of the machine's size with constant constructors, unlike loom's. Each stores only its first value; a table finds loom's
//! atomic by the address.
use core::cell::RefCell;
use core::ptr;
use core::sync::atomic::Ordering;
use std::boxed::Box;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use lock_api::{GuardNoSend, RawMutex};

loom::lazy_static! {
    /// The atomics of one run of a model, made on first use.
    static ref BY_ADDRESS: Mutex<HashMap<usize, Arc<Modelled>>> = Mutex::new(HashMap::new());
    static ref LOCKS: Mutex<HashMap<usize, &'static loom::sync::Mutex<()>>> = Mutex::new(HashMap::new());
}

/// Loom's side of an atomic.
struct Modelled {
    value: loom::sync::atomic::AtomicU64,
    /// Written at each load of the value. Loom tries both orders of two steps only if they touch the same object, one of them writes,
    /// and no other step on the object lies in between. Without this, one thread's load would hide another's from a later write.
    turn: loom::sync::atomic::AtomicU64,
}

/// Returns loom's side of the atomic at this address, which begins with this value.
fn modelled(address: usize, value: u64) -> Arc<Modelled> {
    // Loom runs its threads in turn, and none of them stops in here. Only a panic of the model poisons the lock.
    let mut known = BY_ADDRESS.lock().unwrap_or_else(PoisonError::into_inner);
    let modelled = known.entry(address);
    let new = || Modelled {
        value: loom::sync::atomic::AtomicU64::new(value),
        turn: loom::sync::atomic::AtomicU64::new(0),
    };
    modelled.or_insert_with(|| Arc::new(new())).clone()
}

/// Removes loom's side of the atomic at this address, where another value will be.
fn forget(address: usize) {
    BY_ADDRESS.lock().unwrap_or_else(PoisonError::into_inner).remove(&address);
}

/// A `u8`.
#[derive(Debug)]
#[repr(transparent)]
pub struct AtomicU8(u8);

impl AtomicU8 {
    pub const fn new(value: u8) -> Self {
        Self(value)
    }

    fn modelled(&self) -> Arc<Modelled> {
        modelled(ptr::from_ref(self).addr(), self.0.into())
    }

    pub fn load(&self, order: Ordering) -> u8 {
        let modelled = self.modelled();
        modelled.turn.swap(0, Ordering::Relaxed);
        modelled.value.load(order) as u8
    }

    pub fn store(&self, value: u8, order: Ordering) {
        self.modelled().value.store(value.into(), order);
    }

    pub fn compare_exchange(&self, old: u8, new: u8, success: Ordering, failure: Ordering) -> Result<u8, u8> {
        let modelled = self.modelled();
        modelled.turn.swap(0, Ordering::Relaxed);
        let exchanged = modelled.value.compare_exchange(old.into(), new.into(), success, failure);
        exchanged.map(|value| value as u8).map_err(|value| value as u8)
    }
}

impl Drop for AtomicU8 {
    fn drop(&mut self) {
        forget(ptr::from_ref(self).addr());
    }
}

/// A `u64`.
#[derive(Debug)]
#[repr(transparent)]
pub struct AtomicU64(u64);

impl AtomicU64 {
    pub const fn new(value: u64) -> Self {
        Self(value)
    }

    fn modelled(&self) -> Arc<Modelled> {
        modelled(ptr::from_ref(self).addr(), self.0)
    }

    pub fn load(&self, order: Ordering) -> u64 {
        let modelled = self.modelled();
        modelled.turn.swap(0, Ordering::Relaxed);
        modelled.value.load(order)
    }

    pub fn store(&self, value: u64, order: Ordering) {
        self.modelled().value.store(value, order);
    }

    pub fn fetch_add(&self, value: u64, order: Ordering) -> u64 {
        self.modelled().value.fetch_add(value, order)
    }
}

impl Drop for AtomicU64 {
    fn drop(&mut self) {
        forget(ptr::from_ref(self).addr());
    }
}

/// A lock for models. Loom does not run a thread that waits for it; a thread that spins would run for ever.
pub struct ModelLock {
    /// Gives the lock an address of its own.
    _size: u64,
}

std::thread_local! {
    /// The held locks of this run of a model, by address. Loom runs all of a model's threads on one thread of the host.
    static HELD: RefCell<HashMap<usize, loom::sync::MutexGuard<'static, ()>>> = RefCell::default();
}

impl ModelLock {
    fn modelled(&self) -> &'static loom::sync::Mutex<()> {
        let mut known = LOCKS.lock().unwrap_or_else(PoisonError::into_inner);
        // Never freed: some bytes a run.
        known
            .entry(ptr::from_ref(self).addr())
            .or_insert_with(|| Box::leak(Box::new(loom::sync::Mutex::new(()))))
    }
}

// SAFETY: loom's mutex is held from `lock` to `unlock`.
unsafe impl RawMutex for ModelLock {
    const INIT: Self = Self { _size: 0 };

    type GuardMarker = GuardNoSend;

    fn lock(&self) {
        let guard = self.modelled().lock().unwrap_or_else(PoisonError::into_inner);
        HELD.with_borrow_mut(|held| held.insert(ptr::from_ref(self).addr(), guard));
    }

    fn try_lock(&self) -> bool {
        unimplemented!("the allocator waits for its locks")
    }

    unsafe fn unlock(&self) {
        // Dropped outside of `with_borrow_mut`: loom may run another thread then.
        let guard = HELD.with_borrow_mut(|held| held.remove(&ptr::from_ref(self).addr()));
        drop(guard);
    }
}
