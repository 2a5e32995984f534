//! A driver that fails: an exception in its code ends the driver, and the machine goes on. Its thread ends, or the handler or the function
//! of a block device is abandoned, and another thread ends the driver.
//!
//! What is in the middle of the kernel's own code cannot be left. Then the machine stops, with a report.
use super::end_driver::{DriverEnd, Why, end_driver};
use super::fault_place::FaultPlace;
use super::{key_fault, leaving, overrun, stack_end};
use crate::arch::{self, Frame};
use crate::cpu;
use crate::memory::stack_reserve;
use crate::report::{event_stream, stack_trace};
use crate::threads::owner::Owner;
use crate::threads::thread::Start;
use crate::threads::{Mutex, lifecycle, owners};
use core::ffi::c_void;
use events::DriverText;
use spin::Once;
use units::VirtAddr;

/// Held while drivers that have failed are ended and reported.
static REPORTING: Mutex<()> = Mutex::new(());

/// Called with a driver that has ended after its failure, and how.
type Ended = fn(&'static Owner, DriverEnd);

static ENDED: Once<Ended> = Once::new();

/// Lets exceptions in drivers end the drivers, and starts the thread that does it, which then calls `ended`.
pub fn start(ended: Ended) {
    ENDED.call_once(|| ended);
    // SAFETY: `end_failed` ignores its argument.
    let start = unsafe { Start::new(end_failed, core::ptr::null_mut()) };
    match lifecycle::create("driver failures", start, None) {
        Ok(_) => {
            stack_reserve::init();
            stack_reserve::fill();
            cpu::interrupts::contain_with(contain);
            cpu::look::look_with(overrun::look);
        }
        Err(_) => log::warn!(target: "drivers", "there is no memory to outlive a driver's failure"),
    }
}

/// Makes the CPU continue without the code that has raised the exception, if that is a failure of a driver alone. Returns false if it is not.
fn contain(frame: &mut Frame) -> bool {
    if key_fault::is_allowed(frame) {
        return true;
    }
    if stack_end::has_returned(frame) {
        return fail_at_end_of_stack(frame);
    }
    if stack_end::outlive(frame) {
        return true;
    }
    let Some(place) = FaultPlace::of(frame) else { return false };
    if arch::is_non_maskable(frame) {
        // The driver has executed INT 2, and this stack is that of the next non-maskable interrupt, which nothing holds back. The driver fails on
        // another one, at its next instruction.
        arch::trap_next_instruction(frame);
        return true;
    }
    log::error!(target: "drivers", "{} failed: {}", place.failed().name(), place.of_frame(frame));
    stack_trace::log_from("drivers", &format_args!("{}: ", place.failed().name()), frame.all_registers());
    stack_end::resend_lost_interrupt(frame);
    close_reserve(frame, &place);
    leaving::fail_and_leave(frame, &place)
}

/// Gives up the reserve of the stack that the CPU leaves, if it has one. That of a driver's thread goes with the stack.
fn close_reserve(frame: &Frame, place: &FaultPlace) {
    if !place.is_on_own_thread() && stack_reserve::returned(VirtAddr(frame.stack_pointer)).is_some() {
        stack_reserve::close_later();
    }
}

/// Makes the CPU continue without the code that has called a function of the kernel with too little stack, and that it has returned to.
fn fail_at_end_of_stack(frame: &mut Frame) -> bool {
    let Some(place) = FaultPlace::of_interrupted(frame) else { return false };
    let (driver, at) = (place.failed(), frame.instruction_pointer);
    log::error!(
        target: "drivers",
        "{} failed: the stack has ended in a function of the kernel, which returned to offset {:#x}",
        driver.name(), at - driver.image().start,
    );
    stack_trace::log_from("drivers", &format_args!("{}: ", driver.name()), frame.all_registers());
    close_reserve(frame, &place);
    leaving::fail_and_leave(frame, &place)
}

/// Ends drivers that have failed, one after the other.
unsafe extern "C" fn end_failed(_: *mut c_void) -> i32 {
    loop {
        leaving::wait_for_failure();
        let _reporting = REPORTING.lock();
        for owner in owners::all().filter(|owner| owner.has_failed() && owner.begin_stop()) {
            overrun::evict();
            let end = end_driver(owner, Why::Failed);
            report(owner, end);
            if let Some(ended) = ENDED.get() {
                ended(owner, end);
            }
        }
        stack_reserve::tidy();
        stack_reserve::fill();
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
    event_stream::send_driver(&text);
}
