//! What an export for threads checks first: that a thread calls it, which may wait.
use crate::arch::InterruptsOff;
use crate::drivers::report_misuse;
use crate::threads::driver_handler;
use crate::threads::misuses::Misuse;

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

#[cold]
#[inline(never)]
fn refuse(function: &'static str) {
    if driver_handler::owner().is_some() {
        report_misuse::report(Misuse::ThreadOnlyInHandler, format_args!("called {function} in a handler"));
    } else {
        let description = format_args!("called {function} with interrupts off");
        report_misuse::report(Misuse::ThreadOnlyInterruptsOff, description);
    }
}
