//! What an export for threads checks first: that a thread calls it, which may wait.
use crate::arch::InterruptsOff;
use crate::cpu;
use crate::drivers::report_misuse;
use crate::threads::misuses::Misuse;
use crate::threads::{ending, whose_code};
use core::hint::black_box;

/// Returns true if a thread calls that may wait and allocate. Returns false in a handler of a driver, and with interrupts off, as
/// while a spin lock of the driver is held. The first such call of a driver is logged.
#[inline(always)]
pub fn is_thread(function: &'static str) -> bool {
    // A handler runs with interrupts off, too.
    if InterruptsOff::are_off() {
        refuse(function);
        return false;
    }
    true
}

/// Returns true if a thread calls that may wait for other threads. Returns false where [`is_thread`] does, and with preemption off, as in the
/// functions of a block device. The first such call of a driver is logged. A thread whose driver's threads are to end exits instead.
#[inline]
pub fn may_wait(function: &'static str) -> bool {
    if !is_thread(function) {
        return false;
    }
    if cpu::is_preemption_off() {
        refuse_without_preemption(function);
        return false;
    }
    ending::exit_if_due();
    true
}

/// Returns true in a handler of a driver, and with interrupts off, where [`is_thread`] returns false. The caller ends with
/// [`refuse_call`] then.
#[inline(always)]
pub fn is_no_thread() -> bool {
    InterruptsOff::are_off()
}

/// Refuses a call of `function`, as its last step.
#[cold]
#[inline(never)]
pub fn refuse_call(function: &'static str) -> bool {
    refuse(function);
    // The caller returns what it gets, so it needs no stack.
    black_box(false)
}

#[cold]
#[inline(never)]
fn refuse_without_preemption(function: &'static str) {
    let description = format_args!("called {function} in a function that must not block");
    report_misuse::report(Misuse::ThreadOnlyPreemptionOff, description);
}

#[cold]
#[inline(never)]
fn refuse(function: &'static str) {
    if whose_code::is_handler() {
        report_misuse::report(Misuse::ThreadOnlyInHandler, format_args!("called {function} in a handler"));
    } else {
        let description = format_args!("called {function} with interrupts off");
        report_misuse::report(Misuse::ThreadOnlyInterruptsOff, description);
    }
}
