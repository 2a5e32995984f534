//! The driver that calls an export.
use super::thread_only;
use crate::threads::driver_handler;
use crate::threads::owner::Owner;

/// Returns the driver of the running handler or thread, for an export that handlers may call.
#[inline]
pub fn driver() -> Option<&'static Owner> {
    driver_handler::calling_driver()
}

/// Returns the driver of the running thread, for `function`, an export that only threads may call. `None` refuses the call: a handler
/// calls, or interrupts or preemption are off. The driver's first such call is logged.
#[inline]
pub fn driver_of_thread(function: &'static str) -> Option<&'static Owner> {
    if thread_only::may_wait(function) { driver() } else { None }
}
