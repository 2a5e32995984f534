//! Halting a CPU that has nothing to do.
use super::shootdown;
use crate::arch::{self, InterruptsOff};

/// Halts this CPU until it has handled an interrupt. Interrupts are off before and after.
pub fn idle(off: &InterruptsOff) {
    shootdown::enter_idle(off);
    arch::halt_until_interrupt();
    shootdown::leave_idle(off);
}
