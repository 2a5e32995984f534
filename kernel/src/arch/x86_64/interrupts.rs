//! The interrupt table, and the entry code of its vectors.
//!
//! Every vector has a stub of 16 bytes. The stub pushes an error code if the CPU has pushed none, then the vector's number, and
//! jumps to a common path, which saves the registers and calls the [`InterruptHandler`] (Intel SDM vol. 3 §6.12 to §6.15).
//! The vectors of devices have a shorter path: it saves only the registers that a function may change.
use super::ist::InterruptStack;
use super::protection::{PKRS, STACK_SHIFT, STACKS_TOP_BITS};
use super::vectors;
use ::x86_64::VirtAddr;
use ::x86_64::structures::idt::InterruptDescriptorTable;
use core::arch::naked_asm;
use core::sync::atomic::{AtomicBool, Ordering};
use protection_keys::Rights;
use stack_trace::Registers;

/// The state of a CPU at the moment when it was interrupted.
#[repr(C)]
#[derive(Debug)]
pub struct Frame {
    /// r15 to r8, rdi, rsi, rbp, rbx, rdx, rcx, rax: in the reverse of the order in which the common path pushes them.
    pub registers: [u64; 15],
    /// The vector's number.
    pub vector: u32,
    /// What the interrupted code may write, and what the code may write that the CPU continues with: [`Rights::KERNEL`] for the kernel,
    /// and where there is no protection by keys.
    pub rights: Rights,
    /// The CPU's error code; 0 if the vector has none.
    pub error_code: u64,
    /// The address of the instruction that faulted, or of the one to return to.
    pub instruction_pointer: u64,
    /// The code segment.
    pub code_segment: u64,
    /// The flags.
    pub flags: u64,
    /// The stack pointer.
    pub stack_pointer: u64,
    /// The stack segment.
    pub stack_segment: u64,
}

impl Frame {
    /// Returns all registers of the interrupted code, for a stack trace.
    pub fn all_registers(&self) -> Registers {
        let [r15, r14, r13, r12, r11, r10, r9, r8, rdi, rsi, rbp, rbx, rdx, rcx, rax] = self.registers;
        let general =
            [rax, rdx, rcx, rbx, rsi, rdi, rbp, self.stack_pointer, r8, r9, r10, r11, r12, r13, r14, r15];
        Registers::of(self.instruction_pointer, general)
    }

    /// Returns true if the interrupted code had interrupts on.
    pub fn has_interrupts_on(&self) -> bool {
        self.flags & 1 << 9 != 0
    }
}

/// The number of exceptions. The vectors from here on are interrupts.
const EXCEPTIONS: u32 = 32;
/// Bytes from one stub to the next. The first stub is aligned to as many.
const STUB_SIZE: u64 = 16;

/// What the kernel does on an interrupt or exception.
pub trait InterruptHandler {
    /// Handles the interrupt or exception. It is called with interrupts off; when it returns, the CPU continues as the frame
    /// says: where it was interrupted, unless the handler has changed that.
    extern "C" fn handle(frame: &mut Frame);

    /// Handles a device's interrupt, with interrupts off; when it returns, the CPU continues where it was interrupted. Only the lowest
    /// byte of `vector` counts.
    extern "C" fn handle_device(vector: u32);
}

/// The stubs of all vectors, and the common path that calls `H`.
///
/// With `KEYED`, the handlers run with the kernel's rights, and the interrupted code continues with its own. The rights lie in the upper
/// half of the word with the vector. Only code of drivers has other rights than the kernel, so interrupts of the kernel do not change them.
///
/// All labels are numeric, and the kernel finds the stubs by the function's address. So two instances, for two handlers, have no
/// names that collide. Both are in one section, so that [`is_entry_code`] finds them.
#[unsafe(naked)]
#[unsafe(link_section = "interrupt_entry")]
extern "C" fn stubs<H: InterruptHandler, const KEYED: bool>() {
    naked_asm!(
        ".balign 16",
        ".set vector, 0",
        ".rept 256",
        ".balign 16",
        ".if (vector >= {first_of_devices}) & (vector <= {last_of_devices})",
        "push rdi",
        "mov edi, vector",
        "jmp 3f",
        ".else",
        // 8, 10 to 14, 17, 21, 29 and 30 have an error code (Intel SDM vol. 3 table 6-1, AMD APM vol. 2 table 8-1). But an instruction INT n
        // pushes none (§6.4.2). The CPU aligns the stack to 16 bytes before it pushes five words, or six with the error code (§6.14.2).
        ".if (0x60227d00 >> vector) & 1 & (vector < 32)",
        "test spl, 8",
        "jz 8f",
        "push 0",
        "8:",
        ".else",
        "push 0",
        ".endif",
        "push vector",
        "jmp 2f",
        ".endif",
        ".set vector, vector + 1",
        ".endr",
        "2:",
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
        ".if {keyed}",
        "mov ecx, {pkrs}",
        "rdmsr",
        "mov [rsp + {rights}], eax",
        "test eax, eax",
        "jz 4f",
        // Below a stack pointer that leads to no stack may be memory that is not the driver's.
        "mov rax, rsp",
        "shr rax, {stack_shift}",
        "cmp eax, {stacks}",
        "jne 9f",
        "xor eax, eax",
        "xor edx, edx",
        "wrmsr",
        "4:",
        ".endif",
        "mov rdi, rsp",
        "call {handle}",
        ".if {keyed}",
        "mov eax, [rsp + {rights}]",
        "test eax, eax",
        "jz 5f",
        "mov ecx, {pkrs}",
        "xor edx, edx",
        "wrmsr",
        "5:",
        ".endif",
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
        // What the CPU has pushed and these nine registers leave the stack aligned to 16 bytes.
        "3:",
        "push rax",
        "push rcx",
        "push rdx",
        "push rsi",
        "push r8",
        "push r9",
        "push r10",
        "push r11",
        "cld",
        ".if {keyed}",
        "mov ecx, {pkrs}",
        "rdmsr",
        "push rax",
        "push rax",
        "test eax, eax",
        "jz 6f",
        "mov rax, rsp",
        "shr rax, {stack_shift}",
        "cmp eax, {stacks}",
        "jne 13f",
        "xor eax, eax",
        "xor edx, edx",
        "wrmsr",
        "6:",
        ".endif",
        "call {handle_device}",
        ".if {keyed}",
        "pop rax",
        "pop rcx",
        "test eax, eax",
        "jz 7f",
        "mov ecx, {pkrs}",
        "xor edx, edx",
        "wrmsr",
        "7:",
        ".endif",
        "pop r11",
        "pop r10",
        "pop r9",
        "pop r8",
        "pop rsi",
        "pop rdx",
        "pop rcx",
        "pop rax",
        "pop rdi",
        "iretq",
        ".if {keyed}",
        // The double fault has a stack, and sees the rights of the driver. It gets the vector.
        "9:",
        "mov eax, [rsp + {vector}]",
        "int 8",
        "13:",
        "mov eax, {first_of_devices}",
        "int 8",
        ".endif",
        handle = sym H::handle,
        handle_device = sym H::handle_device,
        first_of_devices = const vectors::FIRST_OF_DEVICES,
        last_of_devices = const vectors::LAST_OF_DEVICES,
        keyed = const KEYED as u8,
        pkrs = const PKRS,
        stack_shift = const STACK_SHIFT,
        stacks = const STACKS_TOP_BITS,
        rights = const core::mem::offset_of!(Frame, rights),
        vector = const core::mem::offset_of!(Frame, vector),
    )
}

unsafe extern "C" {
    #[link_name = "__start_interrupt_entry"]
    static START: u8;
    #[link_name = "__stop_interrupt_entry"]
    static END: u8;
}

/// Returns true if this instruction is of the entry code. A CPU there is about to handle an interrupt, or has just done so, and may have the
/// rights of the driver that is interrupted.
pub fn is_entry_code(instruction_pointer: u64) -> bool {
    (&raw const START as u64..&raw const END as u64).contains(&instruction_pointer)
}

/// The interrupt table. All CPUs share it: what differs between CPUs, the stacks, is in each CPU's TSS.
struct InterruptTable {
    /// The address of the first stub.
    stubs: u64,
    table: InterruptDescriptorTable,
}

static TABLE: spin::Once<InterruptTable> = spin::Once::new();
/// The table whose stubs change rights.
static KEYED_TABLE: spin::Once<InterruptTable> = spin::Once::new();
/// True if CPUs load [`KEYED_TABLE`].
static IS_KEYED: AtomicBool = AtomicBool::new(false);

/// Makes the CPUs that load the table from now on change rights in interrupts. The caller alone runs, and loads the table next.
pub fn key_interrupts() {
    IS_KEYED.store(true, Ordering::Relaxed);
}

/// Makes the running CPU take its interrupts and exceptions by the table that leads to `H`.
///
/// # Panics
/// If another CPU has loaded the table for another handler: there is only one table.
pub fn load_table<H: InterruptHandler>() {
    let (stubs, table) = if IS_KEYED.load(Ordering::Relaxed) {
        (stubs::<H, true> as *const (), &KEYED_TABLE)
    } else {
        (stubs::<H, false> as *const (), &TABLE)
    };
    // `stubs` aligns its first stub with padding, so the stub's address is the function's, rounded up.
    let stubs = (stubs as u64).next_multiple_of(STUB_SIZE);
    let table = table.call_once(|| InterruptTable { stubs, table: build_table(stubs) });
    assert_eq!(table.stubs, stubs, "the interrupt table leads to another handler");
    table.table.load();
}

fn build_table(stubs: u64) -> InterruptDescriptorTable {
    let stub = |vector: u64| VirtAddr::new(stubs + vector * STUB_SIZE);
    let mut table = InterruptDescriptorTable::new();
    // SAFETY: `load_table` passes the address of the first stub, so each address is the stub of that vector. Its path restores
    // all registers and ends in `iretq`. `CpuTables::load` fills in the interrupt stacks of each TSS before it loads the table.
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

/// Raises an interrupt of a device on the running CPU, for the benchmarks.
#[inline(always)]
pub fn interrupt_as_a_device_does<const VECTOR: u8>() {
    const { assert!(VECTOR >= vectors::FIRST_OF_DEVICES && VECTOR <= vectors::LAST_OF_DEVICES) };
    // SAFETY: the vector has a stub above, which restores all registers. The handler runs with interrupts off, as it does for a
    // device.
    unsafe { core::arch::asm!("int {}", const VECTOR) };
}
