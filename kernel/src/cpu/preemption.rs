//! Keeping the running thread on its CPU, with interrupts on.
use super::deferred;
use super::local::Pinned;
use crate::arch::{self, InterruptsOff, PreemptionEnd};
use core::marker::PhantomData;

/// Keeps other threads off this CPU while it lives. Interrupts are still handled. May be nested.
///
/// It costs one instruction, and two at the end, which also see whether work was deferred meanwhile.
pub struct PreemptionOff {
    /// A guard belongs to the CPU that it was made on.
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
}

impl Drop for PreemptionOff {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: `new` has begun the stretch. It was on this CPU, which the thread has not left since.
        unsafe { arch::end_no_preemption::<DoDeferred>() };
    }
}

/// Returns true while a [`PreemptionOff`] lives on this CPU.
pub fn is_preemption_off() -> bool {
    arch::is_preemption_off()
}

struct DoDeferred;

impl PreemptionEnd for DoDeferred {
    extern "C" fn preempt() {
        if InterruptsOff::are_off() {
            // The code around keeps interrupts off and relies on it. The next interrupt does the work.
            return;
        }
        deferred::run(&InterruptsOff::new());
    }
}
