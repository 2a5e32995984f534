//! Exceptions: the report of an exception, and the end of the machine after it.
use super::last_words;
use super::place::{ForeignCode, Place, TaskName, driver_code};
use super::stack_trace;
use crate::arch::{self, Frame};
use ::last_words::Cause;
use address_space::layout::STACKS;
use fault_text::exception_name;
use units::VirtAddr;

/// Logs what the exception was and where it happened, then ends the machine with the verdict of failure. What comes first in the
/// report needs the least to be intact.
pub fn fatal(frame: &Frame) -> ! {
    let report = last_words::begin(Cause::Fault);
    let name = exception_name(frame.vector.into());
    log::error!(
        target: "fault",
        "{name} (vector {}), error code {:#x}, at instruction {:#018x}, stack {:#018x}",
        frame.vector, frame.error_code, frame.instruction_pointer, frame.stack_pointer,
    );
    if arch::is_machine_check(frame) {
        report_machine_check();
    }
    if let Some(address) = arch::fault_address(frame) {
        if STACKS.is_guard(address) {
            log::error!(target: "fault", "stack overflow of {TaskName}");
        }
        let doing = arch::page_fault_words(frame);
        log::error!(target: "fault", "address {:#018x}{doing}", address.0);
    }
    let code = driver_code(VirtAddr(frame.instruction_pointer));
    if let Some(ForeignCode { driver, offset, .. }) = &code {
        log::error!(target: "fault", "the instruction is at offset {offset:#x} of driver {driver}");
    }
    if arch::is_use_of_the_fpu(frame) {
        let by = code.map_or("the kernel's own code", |code| code.driver);
        log::error!(
            target: "fault",
            "{by} uses the FPU or vector registers (x87, MMX, SSE, AVX), whose state the kernel does not keep; compile drivers with \
             -mgeneral-regs-only, and in Rust for x86_64-unknown-none",
        );
    }
    log::error!(target: "fault", "on {Place}");
    stack_trace::log_from("fault", &"", frame.all_registers());
    report.end()
}

/// Logs the errors that the running CPU's machine-check banks hold.
fn report_machine_check() {
    let (global, count) = (arch::machine_check_status(), arch::machine_check_banks());
    log::error!(target: "fault", "machine-check status {global:#x}, {count} banks");
    for error in (0..count).filter_map(arch::machine_check_error) {
        log::error!(target: "fault", "{error}");
    }
}
