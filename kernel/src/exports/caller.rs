//! The driver that calls an export.
use super::thread_only;
use crate::threads::owner::Owner;
use crate::threads::whose_code;
use protection_keys::Key;

/// Returns the driver whose code calls, for an export that handlers and functions of block devices may call.
#[inline]
pub fn driver() -> Option<&'static Owner> {
    whose_code::calling_driver()
}

/// Returns the key of the calling driver's memory; the kernel's without protection.
pub fn key() -> Key {
    driver().map_or(Key::KERNEL, Owner::protection_key)
}

/// Returns the driver of the running thread, for `function`, an export that only threads may call. `None` refuses the call: a handler
/// calls, or interrupts or preemption are off. The driver's first such call is logged.
#[inline]
pub fn driver_of_thread(function: &'static str) -> Option<&'static Owner> {
    if thread_only::may_wait(function) { driver() } else { None }
}
