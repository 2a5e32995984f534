//! Leaving the code of a driver that has failed: the CPU goes on without it, and the kernel does not call the driver any more.
use super::fault_place::FaultPlace;
use crate::arch::{self, Frame};
use crate::block;
use crate::cpu::code_mark;
use crate::devices::interrupt_mask;
use crate::report::verdict;
use crate::threads::owner::Owner;
use crate::threads::{Semaphore, cpu_threads, lifecycle};
use core::sync::atomic::{AtomicBool, Ordering};

/// What a thread that has failed exits with.
const FAILED: i32 = -1;

/// A unit for each failure.
static FAILURES: Semaphore = Semaphore::new(0);

/// True if a driver's failure makes the verdict failure.
static IS_STRICT: AtomicBool = AtomicBool::new(false);

/// Makes the verdict failure from here on if a driver fails.
pub fn be_strict() {
    IS_STRICT.store(true, Ordering::Relaxed);
}

/// Waits until a driver fails.
pub fn wait_for_failure() {
    FAILURES.acquire();
}

/// Notes that the driver has failed whose code is at this place, and makes the CPU continue without it. Returns false if that is not possible,
/// because what a guarded call has saved was overwritten.
pub fn fail_and_leave(frame: &mut Frame, place: &FaultPlace) -> bool {
    fail(place.failed());
    // A driver that was in another one's interface cannot go on: nobody has returned to it.
    let caller = place.caller();
    if !core::ptr::eq(caller, place.failed()) {
        log::error!(target: "drivers", "{} failed: it was in an interface of {}", caller.name(), place.failed().name());
        fail(caller);
    }
    leave(frame, place)
}

/// Makes the CPU continue without the code at this place, whose driver has failed. Returns false if that is not possible.
pub fn leave(frame: &mut Frame, place: &FaultPlace) -> bool {
    if place.is_on_own_thread() {
        let Some(top) = cpu_threads::current_thread().stack_top() else { return false };
        // Nothing on the stack is needed any more. It may be full.
        arch::continue_at(frame, top, exit_failed);
        return true;
    }
    // SAFETY: `FaultPlace` is that of an exception or interrupt in the code of a driver that the innermost call has called, or in what that
    // has jumped to.
    let is_abandoned = unsafe { code_mark::abandon(frame) };
    FAILURES.release();
    is_abandoned
}

/// Notes that a driver has failed whose code does not run here any more.
pub fn fail_alone(driver: &'static Owner) {
    fail(driver);
    FAILURES.release();
}

/// Notes that a driver has failed, and keeps the kernel from calling it from here on. The code that was interrupted holds no lock of the
/// kernel.
fn fail(driver: &'static Owner) {
    driver.note_failure();
    if IS_STRICT.load(Ordering::Relaxed) {
        verdict::fail();
    }
    block::silence(driver);
    interrupt_mask::silence_all_of(driver);
}

/// Ends the running thread, which has failed.
extern "C" fn exit_failed() -> ! {
    FAILURES.release();
    lifecycle::exit(FAILED)
}
