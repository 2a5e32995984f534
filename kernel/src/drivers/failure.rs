//! A driver that fails: an exception in its code ends the driver, and the machine goes on. Its thread ends, or the handler or the function
//! of a block device is abandoned, and another thread ends the driver.
//!
//! What is in the middle of the kernel's own code cannot be left. Then the machine stops, with a report.
use super::end_driver::{DriverEnd, Why, end_driver};
use super::fault_place::FaultPlace;
use crate::arch::{self, Frame};
use crate::block;
use crate::cpu;
use crate::cpu::code_mark;
use crate::devices::interrupt_mask;
use crate::report::{event_stream, stack_trace};
use crate::threads::owner::Owner;
use crate::threads::thread::Start;
use crate::threads::{Semaphore, lifecycle, owners};
use core::ffi::c_void;
use events::DriverText;

/// What a thread that has failed exits with.
const FAILED: i32 = -1;

/// A unit for each failure.
static FAILURES: Semaphore = Semaphore::new(0);

/// Lets exceptions in drivers end the drivers, and starts the thread that does it.
pub fn start() {
    // SAFETY: `end_failed` ignores its argument.
    let start = unsafe { Start::new(end_failed, core::ptr::null_mut()) };
    match lifecycle::create("driver failures", start, None) {
        Ok(_) => cpu::interrupts::contain_with(contain),
        Err(_) => log::warn!(target: "drivers", "there is no memory to outlive a driver's failure"),
    }
}

/// Makes the CPU continue without the code that has raised the exception, if that is a failure of a driver alone. Returns false if it is not.
fn contain(frame: &mut Frame) -> bool {
    let Some(place) = FaultPlace::of(frame) else { return false };
    log::error!(target: "drivers", "{} failed: {}", place.failed().name(), place.of_frame(frame));
    stack_trace::log_from("drivers", &format_args!("{}: ", place.failed().name()), frame.all_registers());
    fail(place.failed());
    // A driver that was in another one's interface cannot go on: nobody has returned to it.
    let caller = place.caller();
    if !core::ptr::eq(caller, place.failed()) {
        log::error!(target: "drivers", "{} failed: it was in an interface of {}", caller.name(), place.failed().name());
        fail(caller);
    }
    if place.is_on_own_thread() {
        arch::continue_at(frame, exit_failed);
        return true;
    }
    // SAFETY: `FaultPlace::of` has found the exception in the code of a driver that the innermost call has called, or in what that has
    // jumped to.
    let is_abandoned = unsafe { code_mark::abandon(frame) };
    FAILURES.release();
    is_abandoned
}

/// Notes that a driver has failed, and keeps the kernel from calling it from here on. The code that was interrupted holds no lock of the
/// kernel.
fn fail(driver: &'static Owner) {
    driver.note_failure();
    block::silence(driver);
    interrupt_mask::silence_all_of(driver);
}

/// Ends the running thread, which has failed.
extern "C" fn exit_failed() -> ! {
    FAILURES.release();
    lifecycle::exit(FAILED)
}

/// Ends drivers that have failed, one after the other.
unsafe extern "C" fn end_failed(_: *mut c_void) -> i32 {
    loop {
        FAILURES.acquire();
        for owner in owners::all().filter(|owner| owner.has_failed() && owner.begin_stop()) {
            report(owner, end_driver(owner, Why::Failed));
        }
    }
}

/// Reports that a driver which has failed has ended.
pub fn report(owner: &Owner, end: DriverEnd) {
    let text = DriverText::failed(owner.name(), &format_args!("an exception in its code{end}"), end.left);
    if end.left.is_nothing() {
        log::warn!(target: "drivers", "{} ended after its failure{end}", text.name());
    } else {
        log::warn!(target: "drivers", "{} ended after its failure{end}; it left {}", text.name(), end.left);
    }
    event_stream::send(&text.event());
}
