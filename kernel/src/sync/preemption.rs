//! Keeping the running thread on its CPU, with interrupts as they are.
use super::spin_lock::WhileHeld;
use crate::memory::cache_recall;
use crate::threading::per_cpu;

/// While it lives, no other thread gets this CPU; interrupts are still handled. May be nested. Costs one instruction, and
/// two at the end, which also see whether another thread's turn has come meanwhile.
pub struct PreemptionOff(());

impl PreemptionOff {
    /// Begins.
    #[inline]
    pub fn new() -> Self {
        per_cpu::begin_no_preemption();
        Self(())
    }
}

impl Drop for PreemptionOff {
    #[inline]
    fn drop(&mut self) {
        per_cpu::end_no_preemption();
    }
}

impl WhileHeld for PreemptionOff {
    #[inline]
    fn begin() -> Self {
        Self::new()
    }

    /// The lock's holder may be waiting for this CPU's free pages. Only threads wait here, and none with its cache in hand.
    #[inline]
    fn wait() {
        cache_recall::answer();
        core::hint::spin_loop();
    }
}
