//! What the registers and the memory say about an exception (Intel SDM vol. 3 §6.15). The words are in the crate `fault-text`.
use super::interrupts::Frame;
use ::x86_64::registers::control::Cr2;
use fault_text::{LONGEST, is_vector_instruction};
use units::VirtAddr;

const INVALID_OPCODE: u64 = 6;
const DEVICE_NOT_AVAILABLE: u64 = 7;
const DOUBLE_FAULT: u64 = 8;
const PAGE_FAULT: u64 = 14;
const MACHINE_CHECK: u64 = 18;

const PAGE_SIZE: usize = 4096;

/// Returns the address of the access that faulted, or `None` if the exception is not about an address. For a double fault, it is
/// the address of the last page fault before.
pub fn fault_address(frame: &Frame) -> Option<VirtAddr> {
    matches!(frame.vector, PAGE_FAULT | DOUBLE_FAULT).then(|| VirtAddr(Cr2::read_raw()))
}

/// Returns what the log says about the access that faulted.
pub fn page_fault_words(frame: &Frame) -> &'static str {
    if frame.vector == DOUBLE_FAULT {
        return ", of the fault before this one";
    }
    fault_text::page_fault_words(frame.error_code)
}

/// Returns true if the hardware has reported an error of its own.
pub fn is_machine_check(frame: &Frame) -> bool {
    frame.vector == MACHINE_CHECK
}

/// Returns true if the instruction that faulted uses the FPU or vector registers, which the control registers forbid.
///
/// With CR0.TS, an x87, MMX or SSE instruction raises the exception "device not available", which nothing else does (Intel SDM
/// vol. 3 §2.5). Without CR4.OSXSAVE, an AVX instruction is an invalid opcode, so its first bytes must be read.
pub fn is_use_of_the_fpu(frame: &Frame) -> bool {
    match frame.vector {
        DEVICE_NOT_AVAILABLE => true,
        INVALID_OPCODE => {
            let address = frame.instruction_pointer;
            let in_page = PAGE_SIZE - address as usize % PAGE_SIZE;
            let mut bytes = [0; LONGEST];
            for (offset, byte) in bytes.iter_mut().enumerate().take(in_page) {
                let at = core::ptr::with_exposed_provenance::<u8>(address as usize + offset);
                // SAFETY: the CPU has just fetched the instruction's first byte to find that it is invalid, so its page is mapped,
                // and the loop does not leave that page. A read of mapped code changes nothing.
                *byte = unsafe { at.read_volatile() };
            }
            is_vector_instruction(&bytes)
        }
        _ => false,
    }
}

/// Returns true if the exception is about the instruction that the CPU was about to execute, and about nothing that the whole CPU is in: a
/// thread that has raised it can be left.
pub fn is_of_code(frame: &Frame) -> bool {
    // Divide error, breakpoint to device not available, segments to page fault, x87, alignment check, SIMD, control protection.
    matches!(frame.vector, 0 | 3..=7 | 11..=14 | 16 | 17 | 19 | 21)
}

/// Returns true if an exception could not be delivered, as where the stack has ended.
pub fn is_double_fault(frame: &Frame) -> bool {
    frame.vector == DOUBLE_FAULT
}

/// Returns true if the CPU was about to execute what is no code.
pub fn is_jump_to_nowhere(frame: &Frame) -> bool {
    const FETCH: u64 = 1 << 4;
    frame.vector == PAGE_FAULT
        && frame.error_code & FETCH != 0
        && Cr2::read_raw() == frame.instruction_pointer
}

/// Makes the CPU continue in a function instead, on the stack that ends at `stack_top`. Interrupts are on there.
pub fn continue_at(frame: &mut Frame, stack_top: VirtAddr, function: extern "C" fn() -> !) {
    /// The flag that is always set, and that for interrupts.
    const FLAGS: u64 = 1 << 1 | 1 << 9;
    frame.instruction_pointer = function as usize as u64;
    // As a call leaves it.
    frame.stack_pointer = (stack_top.0 & !15) - 8;
    frame.flags = FLAGS;
}
