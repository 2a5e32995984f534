//! The interrupt table, the entry of every vector, and what each vector leads to.
//!
//! Every vector has a stub of 16 bytes that pushes an error code where the CPU pushes none, then its number, and joins one
//! common path that saves the registers and calls the kernel's [`InterruptHandler`] (Intel SDM vol. 3 §6.12 to §6.15).
#![expect(named_asm_labels, reason = "the stubs are made for one handler, so each label once")]
use super::descriptors::InterruptStack;
use ::x86_64::VirtAddr;
use ::x86_64::structures::idt::InterruptDescriptorTable;
use core::arch::naked_asm;

/// What a CPU was doing when it was interrupted.
#[repr(C)]
#[derive(Debug)]
pub struct Frame {
    /// r15 to r8, rdi, rsi, rbp, rbx, rdx, rcx, rax: as the common path pushes them, the last pushed first.
    pub registers: [u64; 15],
    /// The interrupt's number.
    pub vector: u64,
    /// The CPU's error code, 0 where the vector has none.
    pub error_code: u64,
    /// The instruction that was, or was to be, executed.
    pub instruction_pointer: u64,
    /// Its code segment.
    pub code_segment: u64,
    /// The flags.
    pub flags: u64,
    /// The stack pointer.
    pub stack_pointer: u64,
    /// Its segment.
    pub stack_segment: u64,
}

/// The vectors that are faults, traps and aborts; those above are interrupts.
const EXCEPTIONS: u64 = 32;
/// Bytes between two stubs.
const STUB_SIZE: u64 = 16;

/// Where every interrupt and exception leads.
pub trait InterruptHandler {
    /// Handles it; the CPU goes on where it was when this returns. Interrupts are off.
    extern "C" fn handle(frame: &Frame);
}

/// The stubs and the common path, made once, for the kernel's one handler.
#[unsafe(naked)]
extern "C" fn stubs<H: InterruptHandler>() {
    naked_asm!(
        ".balign 16",
        ".global interrupt_stubs",
        "interrupt_stubs:",
        ".set vector, 0",
        ".rept 256",
        ".balign 16",
        // 8, 10 to 14, 17, 21, 29 and 30 bring an error code (Intel SDM vol. 3 table 6-1, AMD APM vol. 2 table 8-1).
        ".if (0x60227d00 >> vector) & 1 & (vector < 32)",
        ".else",
        "push 0",
        ".endif",
        "push vector",
        "jmp interrupt_common",
        ".set vector, vector + 1",
        ".endr",
        "interrupt_common:",
        "push rax",
        "push rcx",
        "push rdx",
        "push rbx",
        "push rbp",
        "push rsi",
        "push rdi",
        "push r8",
        "push r9",
        "push r10",
        "push r11",
        "push r12",
        "push r13",
        "push r14",
        "push r15",
        "cld",
        "mov rdi, rsp",
        "call {dispatch}",
        "pop r15",
        "pop r14",
        "pop r13",
        "pop r12",
        "pop r11",
        "pop r10",
        "pop r9",
        "pop r8",
        "pop rdi",
        "pop rsi",
        "pop rbp",
        "pop rbx",
        "pop rdx",
        "pop rcx",
        "pop rax",
        // The vector and the error code.
        "add rsp, 16",
        "iretq",
        dispatch = sym H::handle,
    )
}

unsafe extern "C" {
    /// The first stub.
    fn interrupt_stubs();
}

/// The table, the same for all CPUs: what differs, the stacks, is in each CPU's TSS.
static TABLE: spin::Once<InterruptDescriptorTable> = spin::Once::new();

/// Makes the table this CPU's. All interrupts lead to `H`.
pub fn load_table<H: InterruptHandler>() {
    TABLE.call_once(build_table::<H>).load();
}

fn build_table<H: InterruptHandler>() -> InterruptDescriptorTable {
    core::hint::black_box(stubs::<H> as *const ());
    let stub = |vector: u64| VirtAddr::new(interrupt_stubs as *const () as u64 + vector * STUB_SIZE);
    let mut table = InterruptDescriptorTable::new();
    // SAFETY: each address is the stub of that vector, which ends in `iretq`; the interrupt stacks are in every TSS.
    unsafe {
        table.divide_error.set_handler_addr(stub(0));
        table.debug.set_handler_addr(stub(1));
        table
            .non_maskable_interrupt
            .set_handler_addr(stub(2))
            .set_stack_index(InterruptStack::NonMaskable as u16);
        table.breakpoint.set_handler_addr(stub(3));
        table.overflow.set_handler_addr(stub(4));
        table.bound_range_exceeded.set_handler_addr(stub(5));
        table.invalid_opcode.set_handler_addr(stub(6));
        table.device_not_available.set_handler_addr(stub(7));
        table.double_fault.set_handler_addr(stub(8)).set_stack_index(InterruptStack::DoubleFault as u16);
        table.invalid_tss.set_handler_addr(stub(10));
        table.segment_not_present.set_handler_addr(stub(11));
        table.stack_segment_fault.set_handler_addr(stub(12));
        table.general_protection_fault.set_handler_addr(stub(13));
        table.page_fault.set_handler_addr(stub(14));
        table.x87_floating_point.set_handler_addr(stub(16));
        table.alignment_check.set_handler_addr(stub(17));
        table.machine_check.set_handler_addr(stub(18)).set_stack_index(InterruptStack::MachineCheck as u16);
        table.simd_floating_point.set_handler_addr(stub(19));
        table.virtualization.set_handler_addr(stub(20));
        table.cp_protection_exception.set_handler_addr(stub(21));
        table.hv_injection_exception.set_handler_addr(stub(28));
        table.vmm_communication_exception.set_handler_addr(stub(29));
        table.security_exception.set_handler_addr(stub(30));
        for vector in EXCEPTIONS as u8..=u8::MAX {
            table[vector].set_handler_addr(stub(u64::from(vector)));
        }
    }
    table
}
