//! The exports that wait at an address and wake there.
use super::pointer::DriverPointer;
use super::thread_only;
use crate::threads::address_wait::{self, WaitEnd};
use crate::threads::ending;
use abi::{KERNEL_WAIT_FOREVER, KERNEL_WAIT_STOPPING, KERNEL_WAIT_TIMED_OUT, KERNEL_WAIT_WOKEN};
use core::ffi::c_int;

/// What an export returns for arguments that it refuses.
const REFUSED: c_int = -1;

pub unsafe extern "C" fn wait_address(word: *const u32, expected: u32, nanoseconds: u64) -> c_int {
    if !thread_only::may_wait("Kernel_WaitAddress") {
        return REFUSED;
    }
    let time_ns = (nanoseconds != KERNEL_WAIT_FOREVER).then_some(nanoseconds);
    // SAFETY: the condition of all exports (see the folder's `mod.rs`), except that other threads may access the word atomically.
    let pointer = unsafe { DriverPointer::new(word) };
    let end = address_wait::wait(word.addr() as u64, expected, time_ns, || pointer.load());
    ending::exit_if_due();
    match end {
        WaitEnd::Woken => KERNEL_WAIT_WOKEN,
        WaitEnd::TimedOut => KERNEL_WAIT_TIMED_OUT,
        WaitEnd::Stopping => KERNEL_WAIT_STOPPING,
        WaitEnd::NoWord => REFUSED,
    }
}

pub unsafe extern "C" fn wake_address(word: *const u32, count: c_int) -> c_int {
    match u32::try_from(count) {
        Ok(count) => address_wait::wake(word.addr() as u64, count) as c_int,
        Err(_) => 0,
    }
}
