//! What the registers and the memory say about an exception (Intel SDM vol. 3 §6.15). The words are in the crate `fault-text`.
use super::guarded;
use super::interrupts::Frame;
use ::x86_64::registers::control::Cr2;
use core::arch::naked_asm;
use fault_text::{LONGEST, is_vector_instruction};
use protection_keys::Rights;
use units::VirtAddr;

const NON_MASKABLE: u32 = 2;
const INVALID_OPCODE: u32 = 6;
const DEVICE_NOT_AVAILABLE: u32 = 7;
const DOUBLE_FAULT: u32 = 8;
const PAGE_FAULT: u32 = 14;
const MACHINE_CHECK: u32 = 18;

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
    // Divide error, debug exception, breakpoint to device not available, segments to page fault, x87, alignment check, SIMD, control protection.
    matches!(frame.vector, 0 | 1 | 3..=7 | 11..=14 | 16 | 17 | 19 | 21)
}

/// Returns true if the exception is none: the code has executed the instruction `INT n` with the number of its vector. The caller knows that the
/// code is no kernel's, which has none of these.
pub fn is_by_instruction(frame: &Frame) -> bool {
    /// The first byte of the instruction (Intel SDM vol. 2, INT n).
    const INT: u64 = 0xcd;
    // The instruction is two bytes long, and the frame has the address of the next one.
    let at = (frame.instruction_pointer as usize).wrapping_sub(2);
    guarded::read_u64::<0, 0>(at) & 0xffff == INT | u64::from(frame.vector) << 8
}

/// Returns true if the interrupt is a non-maskable one.
pub fn is_non_maskable(frame: &Frame) -> bool {
    frame.vector == NON_MASKABLE
}

/// Makes the CPU raise a debug exception behind the next instruction of the interrupted code (Intel SDM vol. 3 §17.3.1.4).
pub fn trap_next_instruction(frame: &mut Frame) {
    const TRAP: u64 = 1 << 8;
    frame.flags |= TRAP;
}

/// Returns true if an exception could not be delivered, as where the stack has ended.
pub fn is_double_fault(frame: &Frame) -> bool {
    frame.vector == DOUBLE_FAULT
}

/// Returns true if the access that faulted was a write of a page whose key the running code may not write.
pub fn is_key_violation(frame: &Frame) -> bool {
    const KEY: u64 = 1 << 5;
    frame.vector == PAGE_FAULT && frame.error_code & KEY != 0
}

/// Returns true if the CPU was about to execute what is no code.
pub fn is_jump_to_nowhere(frame: &Frame) -> bool {
    const FETCH: u64 = 1 << 4;
    frame.vector == PAGE_FAULT
        && frame.error_code & FETCH != 0
        && Cr2::read_raw() == frame.instruction_pointer
}

/// Returns true if an interrupt was about to be handled with a stack pointer that leads to no stack. The frame is that of the double fault which the
/// kernel's code has raised instead, and not a driver's.
pub fn is_interrupt_without_stack(frame: &Frame) -> bool {
    /// The register with the vector, in the frame.
    const RAX: usize = 14;
    /// The vectors below are exceptions.
    const EXCEPTIONS: u64 = 32;
    is_double_fault(frame) && frame.registers[RAX] >= EXCEPTIONS && is_by_instruction(frame)
}

/// Makes the CPU continue in a function instead, on the stack that ends at `stack_top`. Interrupts are on there.
pub fn continue_at(frame: &mut Frame, stack_top: VirtAddr, function: extern "C" fn() -> !) {
    /// The flag that is always set, and that for interrupts.
    const FLAGS: u64 = 1 << 1 | 1 << 9;
    frame.instruction_pointer = function as usize as u64;
    // As a call leaves it.
    frame.stack_pointer = (stack_top.0 & !15) - 8;
    frame.flags = FLAGS;
    frame.rights = Rights::KERNEL;
}

/// Returns the address of an instruction that raises an exception. An address on a stack is replaced by it, so that the CPU comes to the
/// handler of exceptions when it returns there.
pub fn return_trap() -> u64 {
    raise as *const () as u64
}

#[unsafe(naked)]
extern "C" fn raise() -> ! {
    naked_asm!("ud2")
}
