//! Whose handler a CPU runs. A handler is called by an interrupt, so the thread that it has interrupted says nothing about it.
use super::cpu_local;
use crate::arch::{self, InterruptsOff};
use core::sync::atomic::{AtomicPtr, Ordering};

cpu_local! {
    /// The owner of the handler that the CPU runs; null if it runs none.
    static OWNER: AtomicPtr<()> = AtomicPtr::new(core::ptr::null_mut());
}

/// Marks the running CPU as one that runs a handler of this owner, until [`leave`]. A handler is interrupted by no other one.
#[inline(always)]
pub fn enter(owner: *const (), off: &InterruptsOff) {
    OWNER.here(off).store(owner.cast_mut(), Ordering::Relaxed);
}

/// Takes the mark away.
#[inline(always)]
pub fn leave(off: &InterruptsOff) {
    OWNER.here(off).store(core::ptr::null_mut(), Ordering::Relaxed);
}

/// Returns the owner of the handler that the running CPU runs; null if it runs none. One instruction reads it: a thread may move to
/// another CPU at any time, and finds none on the CPU that it is on.
#[inline(always)]
pub fn owner() -> *const () {
    arch::cpu_local_word!(OWNER)
}
