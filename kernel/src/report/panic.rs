//! Panics: the report of a panic, and the end of the machine after it.
use super::last_words;
use super::place::Place;
use super::stack_trace;
use crate::arch;
use ::last_words::Cause;
use core::panic::PanicInfo;

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    let report = last_words::begin(Cause::Fault);
    log::error!(target: "panic", "{info}");
    log::error!(target: "panic", "on {Place}");
    stack_trace::log_from("panic", &"", arch::registers_here());
    report.end()
}
