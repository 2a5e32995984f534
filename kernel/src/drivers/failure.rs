//! A driver that fails: an exception in its code, on one of its threads, ends the thread and the driver, and the machine goes on.
//!
//! Elsewhere it does not: in a handler, in a function of a block device, with preemption off, or on an exception's own stack, code
//! is in the middle of what cannot be left. Then the machine stops, with a report.
use super::end_driver::{DriverEnd, Why, end_driver};
use super::loaded_drivers;
use crate::arch::{self, Frame};
use crate::cpu;
use crate::cpu::code_mark::{self, CodeKind};
use crate::report::{event_stream, stack_trace};
use crate::threads::owner::Owner;
use crate::threads::thread::Start;
use crate::threads::{Semaphore, cpu_threads, lifecycle, owners};
use ::address_space::layout::{BOOT_LOADER, DRIVERS};
use core::ffi::c_void;
use core::fmt;
use events::DriverText;
use fault_text::exception_name;

/// What a thread that has failed exits with.
const FAILED: i32 = -1;

/// A unit for each thread that has failed.
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

/// An exception in a driver's code.
struct Failure<'f> {
    frame: &'f Frame,
    driver: &'static Owner,
}

impl fmt::Display for Failure<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = self.frame.instruction_pointer;
        out.write_str(exception_name(self.frame.vector))?;
        match self.driver.image().contains(&at) {
            true => write!(out, " at offset {:#x}", at - self.driver.image().start)?,
            false => write!(out, " at {at:#018x}, which is none of its code")?,
        }
        if let Some(address) = arch::fault_address(self.frame) {
            write!(out, ", address {:#018x}{}", address.0, arch::page_fault_words(self.frame))?;
        }
        if arch::is_use_of_the_fpu(self.frame) {
            out.write_str(": it uses the FPU or vector registers; compile it with -mgeneral-regs-only")?;
        }
        write!(out, ", in thread {}", cpu_threads::current_thread().name)
    }
}

/// Ends the running thread if the exception is a failure of its driver alone: the CPU then continues in [`exit_failed`]. Returns false if it is not.
fn contain(frame: &mut Frame) -> bool {
    let Some(driver) = failed_driver(frame) else { return false };
    let failure = Failure { frame, driver };
    log::error!(target: "drivers", "{} failed: {failure}", driver.name());
    stack_trace::log_from("drivers", &format_args!("{}: ", driver.name()), frame.all_registers());
    driver.note_failure();
    arch::continue_at(frame, exit_failed);
    true
}

/// Returns the driver whose code has raised the exception on a thread of its own, where it can be left.
fn failed_driver(frame: &Frame) -> Option<&'static Owner> {
    let at = frame.instruction_pointer;
    let is_in_an_image = (DRIVERS.0..BOOT_LOADER.0).contains(&at);
    // First of all: an exception in the kernel may mean that the CPU's own data are damaged, which everything below uses.
    if !arch::is_of_code(frame) || !(is_in_an_image || arch::is_jump_to_nowhere(frame)) {
        return None;
    }
    let driver = cpu_threads::current_thread().driver()?;
    let is_own_code = code_mark::current().kind() == CodeKind::Thread && !cpu::is_preemption_off();
    let is_there = driver.image().contains(&at) || !is_in_an_image && frame.has_interrupts_on();
    (is_own_code && is_there).then_some(driver)
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
        // A driver that has not started is ended by whoever waits for its start.
        let failed = |owner: &&'static Owner| owner.has_failed() && loaded_drivers::has_started(owner);
        for owner in owners::all().filter(failed).filter(|owner| owner.begin_stop()) {
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
