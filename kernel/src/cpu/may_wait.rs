//! The proof that a CPU may wait for another one.
use super::preemption::is_preemption_off;
use super::registry;
use crate::arch::InterruptsOff;
use core::marker::PhantomData;

/// Says that the running thread may wait for other CPUs.
///
/// Interrupts and preemption are on. So the CPU answers what others ask of it meanwhile, other threads get the CPU, and the thread
/// holds no spin lock, since each of these keeps one of both off. Before the other CPUs have started there is nothing to wait for.
///
/// It is made right before the wait, and not kept.
pub struct MayWait {
    not_send: PhantomData<*const ()>,
}

impl MayWait {
    /// Returns the proof, or `None` if the running thread may not wait here.
    pub fn now() -> Option<Self> {
        let may_wait =
            (!is_preemption_off() && !InterruptsOff::are_off()) || registry::online().nth(1).is_none();
        may_wait.then_some(Self { not_send: PhantomData })
    }
}
