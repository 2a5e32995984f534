//! Stacks that end in a function of the kernel which a driver has called, or in an interrupt of the driver's code.
//!
//! The function may hold locks, so it cannot be left. The stack gets a reserve, the function goes on to its end, and where it returns to the
//! driver's code, the CPU comes to an exception instead: an address on the stack is replaced. That exception is the driver's failure.
//!
//! The handler of the double fault returns to where the first fault was. The manuals do not promise that (Intel SDM vol. 3 §6.15, interrupt 8),
//! but CPUs save the state from before the instruction whose access to the stack has faulted, as other kernels rely on, too.
use super::fault_place::is_drivers;
use crate::arch::{self, Frame};
use crate::memory::stack_reserve;
use crate::report::stack_trace;
use ::address_space::layout::STACKS;
use units::VirtAddr;

/// Lets the kernel's code go on whose stack has ended. Returns false, and changes nothing, if the exception has another reason, or if no code
/// of a driver is on the stack.
///
/// The code may have the rights of a driver: the entries of interrupts and exports change them after their first words on the stack. An entry
/// that was left there would leave its interrupt in service, and the CPU without the others.
pub fn outlive(frame: &Frame) -> bool {
    if !arch::is_double_fault(frame) || is_drivers(frame.instruction_pointer) {
        return false;
    }
    let address = arch::fault_address(frame).filter(|address| STACKS.is_guard(*address));
    let Some(address) = address else { return false };
    let Some((kept_at, return_to)) = stack_trace::find_return(frame.all_registers(), is_drivers) else {
        return false;
    };
    if STACKS.slot_of(kept_at) != STACKS.slot_of(address) || !stack_reserve::open(address, return_to) {
        return false;
    }
    let word = core::ptr::with_exposed_provenance_mut::<u64>(kept_at.0 as usize);
    // SAFETY: the word is on the stack that this CPU runs on. The unwind tables, or what the CPU has pushed at an interrupt, say that it is an
    // address to return to, and nothing else.
    unsafe { word.write_volatile(arch::return_trap()) };
    resend_lost_interrupt(frame);
    true
}

/// If the stack has ended where the CPU was about to take an interrupt, has it take the interrupt later.
pub fn resend_lost_interrupt(frame: &Frame) {
    let is_without_stack = !is_drivers(frame.instruction_pointer) && arch::is_interrupt_without_stack(frame);
    if arch::is_double_fault(frame) && frame.has_interrupts_on() || is_without_stack {
        arch::resend_lost_interrupt();
    }
}

/// Returns true if the exception is that of code which returns to a driver's after its stack has ended. The frame is then that of the
/// driver's code.
pub fn has_returned(frame: &mut Frame) -> bool {
    if frame.instruction_pointer != arch::return_trap() {
        return false;
    }
    let Some(return_to) = stack_reserve::returned(VirtAddr(frame.stack_pointer)) else { return false };
    frame.instruction_pointer = return_to;
    true
}
