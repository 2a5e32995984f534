//! The driver that calls an export.
use super::thread_only;
use crate::threads::driver_handler;
use crate::threads::owner::Owner;

/// Returns the driver of the running code, for an export that handlers may call.
#[inline]
pub fn driver() -> Option<&'static Owner> {
    driver_handler::calling_driver()
}

/// Returns the driver of the running thread, for an export that only threads may call. `None` refuses the call: a handler calls, or
/// interrupts are off. The driver's first such call is logged.
#[inline]
pub fn driver_of_thread() -> Option<&'static Owner> {
    if thread_only::is_thread("a function about devices that is for threads") { driver() } else { None }
}
