//! Faults: what happened, in words, then the end.
use super::{console, verdict};
use crate::arch::{self, Frame};
use crate::cpu;
use address_space::layout::STACKS;
use core::fmt;
use core::sync::atomic::{AtomicPtr, Ordering};

type Describe = fn(&mut fmt::Formatter<'_>) -> fmt::Result;

static DESCRIBE_TASK: AtomicPtr<()> = AtomicPtr::new(core::ptr::null_mut());

/// Has `describe` called to say what the running CPU runs.
pub fn describe_task_with(describe: Describe) {
    DESCRIBE_TASK.store(describe as *mut (), Ordering::Release);
}

/// The running CPU and what it runs.
pub struct Place;

impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "CPU {}", cpu::current().id)?;
        let describe = DESCRIBE_TASK.load(Ordering::Acquire);
        if describe.is_null() {
            return Ok(());
        }
        // SAFETY: only `describe_task_with` stores here.
        unsafe { core::mem::transmute::<*mut (), Describe>(describe)(out) }
    }
}

/// Says what happened and ends the machine with the verdict of failure.
pub fn fatal(frame: &Frame) -> ! {
    console::begin_last_words();
    cpu::stop_other_cpus();
    let name = arch::exception_name(frame.vector);
    log::error!(
        target: "fault",
        "{name} (vector {}), error code {:#x}, at instruction {:#018x}, stack {:#018x}",
        frame.vector, frame.error_code, frame.instruction_pointer, frame.stack_pointer,
    );
    if let Some(address) = arch::fault_address(frame) {
        if STACKS.is_guard(address) {
            log::error!(target: "fault", "stack overflow on {Place}");
        }
        let doing = arch::page_fault_words(frame);
        log::error!(target: "fault", "address {:#018x}{doing}", address.0);
    }
    log::error!(target: "fault", "on {Place}");
    verdict::stop_with(false)
}
