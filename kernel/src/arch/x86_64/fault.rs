//! What exceptions mean: their names, and what a page fault says (Intel SDM vol. 3 §6.15).
use super::interrupts::Frame;
use ::x86_64::registers::control::Cr2;
use units::VirtAddr;

const DOUBLE_FAULT: u64 = 8;
const PAGE_FAULT: u64 = 14;

/// Returns the address of the access that faulted, or `None` if the exception is not about an address. For a double fault, it is
/// the address of the last page fault before.
pub fn fault_address(frame: &Frame) -> Option<VirtAddr> {
    matches!(frame.vector, PAGE_FAULT | DOUBLE_FAULT).then(|| VirtAddr(Cr2::read_raw()))
}

/// Returns what the log says about the access that faulted, by the error code (Intel SDM vol. 3 §4.7).
pub fn page_fault_words(frame: &Frame) -> &'static str {
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

/// Returns the name of the exception with this vector.
pub fn exception_name(vector: u64) -> &'static str {
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
