//! Exceptions: the report of an exception, and the end of the machine after it.
use super::place::{Place, TaskName};
use super::verdict;
use crate::arch::{self, Frame};
use address_space::layout::STACKS;

/// Logs what the exception was and where it happened, then ends the machine with the verdict of failure.
pub fn fatal(frame: &Frame) -> ! {
    verdict::begin_last_words();
    let name = arch::exception_name(frame.vector);
    log::error!(
        target: "fault",
        "{name} (vector {}), error code {:#x}, at instruction {:#018x}, stack {:#018x}",
        frame.vector, frame.error_code, frame.instruction_pointer, frame.stack_pointer,
    );
    if let Some(address) = arch::fault_address(frame) {
        if STACKS.is_guard(address) {
            log::error!(target: "fault", "stack overflow of {TaskName}");
        }
        let doing = arch::page_fault_words(frame);
        log::error!(target: "fault", "address {:#018x}{doing}", address.0);
    }
    log::error!(target: "fault", "on {Place}");
    verdict::stop_with(false)
}
