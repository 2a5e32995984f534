//! Keeping the running thread on its CPU, with interrupts on.
use super::deferred;
use super::local::Pinned;
use crate::arch::{self, InterruptsOff, PreemptionEnd};
use core::marker::PhantomData;

/// Keeps preemption off while it lives: no other thread gets this CPU. Interrupts are still handled. Guards may be nested.
///
/// A guard costs one instruction at the beginning and two at the end. The end also finds out whether work was deferred.
pub struct PreemptionOff {
    /// A guard belongs to the thread and the CPU that it was made on, so it is not `Send`.
    not_send: PhantomData<*const ()>,
}

impl Pinned for PreemptionOff {}

impl PreemptionOff {
    /// Switches preemption off.
    #[inline]
    pub fn new() -> Self {
        arch::begin_no_preemption();
        Self { not_send: PhantomData }
    }

    /// Returns the guard of a stretch whose guard was forgotten. When it is dropped, the stretch ends.
    ///
    /// # Safety
    /// On this CPU, a guard was forgotten by `mem::forget`, and this is the only call for it.
    #[inline]
    pub unsafe fn resume() -> Self {
        Self { not_send: PhantomData }
    }
}

impl PreemptionOff {
    /// Ends the guard as dropping it does, but leaves pending work to the caller: if it returns true, the caller calls
    /// [`do_deferred`] as its last step. This saves a function on a hot path from aligning its stack.
    #[inline(always)]
    #[must_use = "the pending work is to be done"]
    pub fn end_is_due(self) -> bool {
        core::mem::forget(self);
        // SAFETY: as in `drop`, which `forget` has replaced.
        unsafe { arch::end_no_preemption_is_due() }
    }
}

/// Does the work that is pending after [`PreemptionOff::end_is_due`]. Other threads may run before this returns.
#[cold]
#[inline(never)]
pub fn do_deferred() {
    DoDeferred::preempt();
}

impl Drop for PreemptionOff {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: `new`, which alone makes a guard, has begun the stretch. The guard is not `Send`, and no thread leaves its CPU
        // while preemption is off, so this is the CPU of the stretch.
        unsafe { arch::end_no_preemption::<DoDeferred>() };
    }
}

/// Returns true while a [`PreemptionOff`] lives on this CPU.
#[inline]
pub fn is_preemption_off() -> bool {
    arch::is_preemption_off()
}

struct DoDeferred;

impl PreemptionEnd for DoDeferred {
    extern "C" fn preempt() {
        if InterruptsOff::are_off() {
            // The surrounding code relies on interrupts being off. The CPU does the work at the end of its next interrupt.
            return;
        }
        deferred::run(&InterruptsOff::new());
    }
}
