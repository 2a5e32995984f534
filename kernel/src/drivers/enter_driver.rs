//! Entering a driver's code on a thread of the driver, where keys protect memory.
use super::handover;
use crate::arch::{self, DriverReturn};
use crate::threads::lifecycle;
use crate::threads::thread::Start;
use core::ffi::{c_int, c_void};

/// Calls a function of the running thread's driver with the driver's rights, as the last thing that the thread does. The thread exits with what
/// the function returns.
///
/// # Safety
/// The function is a driver's, and may be called with this argument. Nothing on the thread's stack is needed any more.
pub unsafe fn enter(function: *mut c_void, argument: usize) -> ! {
    // SAFETY: `# Safety`; a driver's thread has a stack of its own, with the driver's key.
    unsafe { arch::run_driver::<ExitBehind>(function.cast_const().cast(), argument) }
}

struct ExitBehind;

impl DriverReturn for ExitBehind {
    extern "C" fn end(result: i32) -> ! {
        lifecycle::exit_on_empty_stack(result)
    }
}

/// What a thread that a driver creates is to do.
struct DriverEntry {
    function: unsafe extern "C" fn(*mut c_void) -> c_int,
    argument: *mut c_void,
}

/// Creates something with what a thread executes to call a driver's function, as [`enter`] does. Returns `None` if that fails, or if there is
/// no memory.
///
/// # Safety
/// The function is a driver's, and may be called with this argument once, on another thread. `create` returns `Some` exactly if the thread
/// executes what it is given.
pub unsafe fn create_with<T>(
    function: unsafe extern "C" fn(*mut c_void) -> c_int,
    argument: *mut c_void,
    create: impl FnOnce(Start) -> Option<T>,
) -> Option<T> {
    let entry = handover::hand_over(DriverEntry { function, argument })?;
    // SAFETY: `run` takes such an entry, and it alone uses it from here on, unless no thread is created.
    let created = create(unsafe { Start::new(run, entry.cast()) });
    if created.is_none() {
        // SAFETY: no thread was created, so nothing else uses the entry.
        let _ = unsafe { handover::take(entry) };
    }
    created
}

/// Calls the function.
///
/// # Safety
/// `entry` is a handed-over `DriverEntry` that nothing else uses, and the condition of [`create_with`] holds.
unsafe extern "C" fn run(entry: *mut c_void) -> c_int {
    // SAFETY: `# Safety` is the same.
    let DriverEntry { function, argument } = unsafe { handover::take(entry.cast::<DriverEntry>()) };
    // SAFETY: by `# Safety` the function may be called with this argument. This is what the thread does.
    unsafe { enter(function as *mut c_void, argument.addr()) }
}
