//! The driver that calls an export.
use crate::threads::cpu_threads;
use crate::threads::owner::Owner;

/// Returns the driver of the running code, for an export that handlers may call.
#[inline]
pub fn driver() -> Option<&'static Owner> {
    cpu_threads::current_thread().driver()
}

/// Returns the driver of the running thread, for an export that only threads may call. `None` refuses the call.
#[inline]
pub fn driver_of_thread() -> Option<&'static Owner> {
    driver()
}
