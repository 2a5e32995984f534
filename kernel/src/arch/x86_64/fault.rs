//! Faults: what happened, in words, then the end; and stopping the other CPUs when one has come to its end.
use super::apic::Message;
use super::interrupts::Frame;
use super::{apic, halt_forever};
use crate::memory::stack;
use crate::platform::cpu_topology;
use crate::threading::per_cpu;
use crate::{console, verdict};
use ::x86_64::registers::control::Cr2;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use units::VirtAddr;

/// The APIC id of the CPU that stopped the others.
static STOPPED_BY: AtomicU32 = AtomicU32::new(NOBODY);
const NOBODY: u32 = u32::MAX;

/// Whether there are other CPUs to stop.
static OTHERS_RUN: AtomicBool = AtomicBool::new(false);

const DOUBLE_FAULT: u64 = 8;
const PAGE_FAULT: u64 = 14;

/// Notes that other CPUs run from now on, and must be stopped when this one comes to its end.
pub fn others_run() {
    OTHERS_RUN.store(true, Ordering::SeqCst);
}

/// Stops every other CPU where it is, for good. The first CPU to call it goes on; one that calls it later stops, too.
pub fn stop_other_cpus() {
    let this = apic::this_cpu().0;
    match STOPPED_BY.compare_exchange(NOBODY, this, Ordering::SeqCst, Ordering::SeqCst) {
        Ok(_) if OTHERS_RUN.load(Ordering::SeqCst) => {
            // Not to all: one that was never started would take it in the firmware's real mode, and reset the machine.
            for cpu in cpu_topology::online().filter(|cpu| cpu.apic.0 != this) {
                apic::send(cpu.apic, Message::NonMaskable);
            }
        }
        Err(other) if other != this => halt_forever(),
        _ => {}
    }
}

/// A non-maskable interrupt: another CPU's order to stop, or the hardware's complaint.
pub fn non_maskable(frame: &Frame) {
    let stopped_by = STOPPED_BY.load(Ordering::SeqCst);
    if stopped_by != NOBODY && stopped_by != apic::this_cpu().0 {
        halt_forever();
    }
    fatal(frame);
}

/// Says what happened and ends the machine with the verdict of failure.
pub fn fatal(frame: &Frame) -> ! {
    console::begin_last_words();
    stop_other_cpus();
    let name = name(frame.vector);
    log::error!(
        target: "fault",
        "{name} (vector {}), error code {:#x}, at instruction {:#018x}, stack {:#018x}",
        frame.vector, frame.error_code, frame.instruction_pointer, frame.stack_pointer,
    );
    if matches!(frame.vector, PAGE_FAULT | DOUBLE_FAULT) {
        let address = Cr2::read_raw();
        if stack::is_guard(VirtAddr(address)) {
            log::error!(target: "fault", "stack overflow of thread {}", per_cpu::current_thread().name);
        }
        let doing = page_fault_words(frame);
        log::error!(target: "fault", "address {address:#018x}{doing}");
    }
    let place = per_cpu::describe_current();
    log::error!(target: "fault", "on {place}");
    verdict::stop_with(false)
}

/// What the CPU was doing to the address (Intel SDM vol. 3 §4.7).
fn page_fault_words(frame: &Frame) -> &'static str {
    if frame.vector == DOUBLE_FAULT {
        return ", of the fault before this one";
    }
    match (frame.error_code & 1 != 0, frame.error_code & 2 != 0, frame.error_code & 0x10 != 0) {
        (_, _, true) => ", which may not be executed",
        (true, true, _) => ", which may not be written",
        (true, false, _) => ", which may not be read",
        (false, true, _) => ", written where nothing is mapped",
        (false, false, _) => ", read where nothing is mapped",
    }
}

fn name(vector: u64) -> &'static str {
    match vector {
        0 => "divide error",
        1 => "debug exception",
        2 => "non-maskable interrupt",
        3 => "breakpoint",
        4 => "overflow",
        5 => "bound range exceeded",
        6 => "invalid opcode",
        7 => "device not available",
        8 => "double fault",
        10 => "invalid TSS",
        11 => "segment not present",
        12 => "stack segment fault",
        13 => "general protection fault",
        14 => "page fault",
        16 => "x87 floating-point error",
        17 => "alignment check",
        18 => "machine check",
        19 => "SIMD floating-point exception",
        20 => "virtualization exception",
        21 => "control protection exception",
        28 => "hypervisor injection exception",
        29 => "VMM communication exception",
        30 => "security exception",
        _ => "reserved exception",
    }
}
