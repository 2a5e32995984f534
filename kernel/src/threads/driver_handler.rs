//! Which driver's handler a CPU runs: the callback of a timer, or of an interrupt of a device.
use super::cpu_threads;
use super::owner::Owner;
use crate::arch::{self, InterruptsOff};
use crate::cpu::cpu_local;
use core::marker::PhantomData;
use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};

cpu_local! {
    /// The driver whose handler the CPU runs; null if it runs none.
    static OWNER: AtomicPtr<Owner> = AtomicPtr::new(ptr::null_mut());
}

/// Marks the running CPU as one that runs a handler of a driver, while it lives. Whoever calls a driver's handler makes one around
/// the call. Interrupts stay off meanwhile.
pub struct InHandler<'a> {
    /// What the mark was before: a handler may be interrupted by nothing but an exception, so null as a rule.
    before: *mut Owner,
    off: PhantomData<&'a InterruptsOff>,
}

impl<'a> InHandler<'a> {
    /// Sets the mark. A handler of the kernel's own, in tests, has no owner and leaves no mark.
    pub fn enter(owner: Option<&'static Owner>, off: &'a InterruptsOff) -> Self {
        let owner = owner.map_or(ptr::null_mut(), |owner| ptr::from_ref(owner).cast_mut());
        let before = OWNER.here(off).load(Ordering::Relaxed);
        OWNER.here(off).store(owner, Ordering::Relaxed);
        Self { before, off: PhantomData }
    }
}

impl Drop for InHandler<'_> {
    fn drop(&mut self) {
        OWNER.here_or_elsewhere().store(self.before, Ordering::Relaxed);
    }
}

/// Returns the driver whose handler the running CPU runs. One instruction reads it: a thread may move to another CPU at any time, and
/// finds none on the CPU that it is on.
#[inline(always)]
pub fn owner() -> Option<&'static Owner> {
    let owner = arch::cpu_local_word!(OWNER).cast::<Owner>();
    // SAFETY: `enter` alone stores a pointer, made from a `&'static Owner`, or null.
    unsafe { owner.as_ref() }
}

/// Returns the driver that calls: the one whose handler the CPU runs, else the one whose code the running thread runs. `None` for
/// the kernel.
#[inline(always)]
pub fn calling_driver() -> Option<&'static Owner> {
    owner().or_else(|| cpu_threads::current_thread().driver())
}

/// Returns a number that no two drivers have in common; 0 for the kernel.
#[inline(always)]
pub fn number_of(owner: Option<&'static Owner>) -> usize {
    owner.map_or(0, |owner| ptr::from_ref(owner).addr())
}

/// Returns the number of the driver that calls.
#[inline(always)]
pub fn calling_number() -> usize {
    match arch::cpu_local_word!(OWNER).addr() {
        0 => number_of(cpu_threads::current_thread().driver()),
        handlers => handlers,
    }
}
