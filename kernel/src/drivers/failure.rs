//! A driver that fails: an exception in its code ends the driver, and the machine goes on. Its thread ends, or the handler or the function
//! of a block device is abandoned, and another thread ends the driver.
//!
//! What is in the middle of the kernel's own code cannot be left. Then the machine stops, with a report.
use super::end_driver::{DriverEnd, Why, end_driver};
use super::fault_place::FaultPlace;
use super::{leaving, overrun};
use crate::arch::Frame;
use crate::cpu;
use crate::report::{event_stream, stack_trace};
use crate::threads::owner::Owner;
use crate::threads::thread::Start;
use crate::threads::{Mutex, lifecycle, owners};
use core::ffi::c_void;
use events::DriverText;

/// Held while drivers that have failed are ended and reported.
static REPORTING: Mutex<()> = Mutex::new(());

/// Lets exceptions in drivers end the drivers, and starts the thread that does it.
pub fn start() {
    // SAFETY: `end_failed` ignores its argument.
    let start = unsafe { Start::new(end_failed, core::ptr::null_mut()) };
    match lifecycle::create("driver failures", start, None) {
        Ok(_) => {
            cpu::interrupts::contain_with(contain);
            cpu::look::look_with(overrun::look);
        }
        Err(_) => log::warn!(target: "drivers", "there is no memory to outlive a driver's failure"),
    }
}

/// Makes the CPU continue without the code that has raised the exception, if that is a failure of a driver alone. Returns false if it is not.
fn contain(frame: &mut Frame) -> bool {
    let Some(place) = FaultPlace::of(frame) else { return false };
    log::error!(target: "drivers", "{} failed: {}", place.failed().name(), place.of_frame(frame));
    stack_trace::log_from("drivers", &format_args!("{}: ", place.failed().name()), frame.all_registers());
    leaving::fail_and_leave(frame, &place)
}

/// Ends drivers that have failed, one after the other.
unsafe extern "C" fn end_failed(_: *mut c_void) -> i32 {
    loop {
        leaving::wait_for_failure();
        let _reporting = REPORTING.lock();
        for owner in owners::all().filter(|owner| owner.has_failed() && owner.begin_stop()) {
            overrun::evict();
            report(owner, end_driver(owner, Why::Failed));
        }
    }
}

/// Waits until the ends of drivers that another thread has begun to report are reported.
pub fn wait_for_reports() {
    drop(REPORTING.lock());
}

/// Reports that a driver which has failed has ended.
pub fn report(owner: &Owner, end: DriverEnd) {
    let text = DriverText::failed(owner.name(), &format_args!("a failure of its code{end}"), end.left);
    if end.left.is_nothing() {
        log::warn!(target: "drivers", "{} ended after its failure{end}", text.name());
    } else {
        log::warn!(target: "drivers", "{} ended after its failure{end}; it left {}", text.name(), end.left);
    }
    event_stream::send(&text.event());
}
