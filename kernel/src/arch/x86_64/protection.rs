//! Protection keys: what a CPU may write while it runs code of a driver (Intel SDM vol. 3 §4.6.2).
//!
//! The register IA32_PKRS forbids the running code to write pages of some keys. Code of the kernel may write all pages, so threads and
//! interrupts need not save the register for each other. It changes at three kinds of places, the gates:
//!
//! - where a driver calls an export ([`export_gate`]);
//! - where the kernel calls a function of a driver: as a guarded call ([`call_gate`]), or as what a thread does ([`run_driver`]);
//! - where an interrupt or exception interrupts a driver (`interrupts.rs`).
//!
//! Where there is no protection, no gate is on the way: guarded calls call the function itself until [`lead_calls_to`] changes the
//! kernel's code, drivers are linked to the exports themselves, and the interrupt table has other entries.
use super::context::Context;
use super::cpu_local::{CALL_STACK, HEAD, TASK};
use super::instructions::InterruptsOff;
use ::address_space::layout::STACKS;
use ::x86_64::registers::control::{Cr0, Cr0Flags};
use core::arch::naked_asm;
use core::arch::x86_64::{__cpuid, __cpuid_count};
use core::mem::offset_of;
use protection_keys::{Key, Rights};

/// The register with the running CPU's rights.
pub const PKRS: u32 = 0x6e1;
/// The bit of the rights that forbids to write pages of the kernel.
pub const NOT_THE_KERNELS: u32 = 2;

/// An address is of the window of stacks if its bits from here on are [`STACKS_TOP_BITS`]. Between stacks, nothing is mapped.
pub const STACK_SHIFT: u32 = 43;
/// See [`STACK_SHIFT`]. In 32 bits.
pub const STACKS_TOP_BITS: u32 = (STACKS.base.0 >> STACK_SHIFT) as u32;

const _: () = assert!(
    STACKS.base.0.is_multiple_of(1 << STACK_SHIFT) && STACKS.window * STACKS.nodes == 1 << STACK_SHIFT
);

/// Returns true if the running CPU has protection keys for supervisor pages.
pub fn has_keys() -> bool {
    __cpuid(0).eax >= 7 && __cpuid_count(7, 0).ecx & 1 << 31 != 0
}

/// The rights of drivers, by their keys.
pub static RIGHTS: [u32; 16] = {
    let (mut rights, mut key) = ([0; 16], 0);
    while key < 16 {
        rights[key as usize] = Rights::of(Key::from_number(key)).bits();
        key += 1;
    }
    rights
};

/// Bytes of a call stack ([`call_gate`]).
pub const CALL_STACK_BYTES: u64 = 64 << 10;

/// Defines a function by which a driver calls an export: the export runs with the kernel's rights. It takes 24 instructions.
///
/// It clears the direction flag: a driver that has set it by mistake would have the kernel copy memory downwards. A stack pointer that leads to no
/// stack would have the export write what lies below, with the kernel's rights: that is the driver's double fault.
/// The rights are kept on the stack meanwhile, where other threads of the driver could change them. But they never become the kernel's.
macro_rules! export_gate {
    ($function:path) => {{
        #[unsafe(naked)]
        unsafe extern "C" fn gate() {
            core::arch::naked_asm!(
                ".cfi_startproc",
                "cld",
                "mov r10, rsp",
                "shr r10, {stack_shift}",
                "cmp r10d, {stacks}",
                "jne 8f",
                "mov r10, rcx",
                "mov r11, rdx",
                "mov ecx, {pkrs}",
                "rdmsr",
                "push rax",
                // For traces of the stack.
                ".cfi_adjust_cfa_offset 8",
                "xor eax, eax",
                "xor edx, edx",
                "wrmsr",
                "mov rcx, r10",
                "mov rdx, r11",
                "call {function}",
                "mov r10, rax",
                "pop rax",
                ".cfi_adjust_cfa_offset -8",
                "or eax, {not_the_kernels}",
                "mov ecx, {pkrs}",
                "xor edx, edx",
                "wrmsr",
                "mov rax, r10",
                "ret",
                "8:",
                "int 8",
                ".cfi_endproc",
                stack_shift = const $crate::arch::STACK_SHIFT,
                stacks = const $crate::arch::STACKS_TOP_BITS,
                pkrs = const $crate::arch::PKRS,
                not_the_kernels = const $crate::arch::NOT_THE_KERNELS,
                function = sym $function,
            )
        }
        gate as *const ()
    }};
}
pub(crate) use export_gate;

/// Defines the gate that guarded calls lead to. `$calls` is the word of each CPU that leads to the record of its innermost call, `$key` the
/// distance from a mark to its key, `$kind` that to its kind, which is 0 for the function of a block device.
///
/// The gate is called with the record right above the return address, the function in rax, and up to four arguments. The function runs on
/// the CPU's call stack, since it may write no other, and with the rights of the mark's key; a function of a block device also with
/// those of the code that submits, whose requests it serves. Behind it, the registers come from the record: the function need not have kept
/// them. A mark of the kernel changes nothing.
macro_rules! call_gate {
    ($name:ident, $calls:path, $key:expr, $kind:expr) => {
        #[unsafe(naked)]
        pub unsafe extern "C" fn $name() {
            core::arch::naked_asm!(
                ".cfi_startproc",
                "mov r10, [rsp + 16]",
                "movzx r11d, byte ptr [r10 + {key}]",
                "test r11d, r11d",
                "jnz 2f",
                "jmp rax",
                "2:",
                "mov r8, rcx",
                "mov r9, rdx",
                "mov ecx, dword ptr [r10 + {kind}]",
                "mov r10, rax",
                "mov eax, [{rights} + r11 * 4]",
                "test ecx, ecx",
                "jnz 4f",
                // The mark of the call around this one; that of a thread's own code has no key.
                "mov rcx, [rsp + 8]",
                "mov rcx, [rcx + 8]",
                "movzx ecx, byte ptr [rcx + {key}]",
                "test ecx, ecx",
                "jz 3f",
                "and eax, [{rights} + rcx * 4]",
                "jmp 4f",
                "3:",
                "mov rcx, gs:[{head} + {task}]",
                "and eax, [rcx + {thread_rights}]",
                "4:",
                // Within the call stack, the call goes on where the stack pointer is.
                "mov r11, gs:[{head} + {call_stack}]",
                "mov rcx, r11",
                "sub rcx, rsp",
                "lea rdx, [rsp - 8]",
                "cmp rcx, {call_stack_bytes}",
                "cmovb r11, rdx",
                // For traces of the stack.
                "mov rbx, rsp",
                ".cfi_def_cfa rbx, 8",
                ".cfi_offset rbx, 72",
                "mov rsp, r11",
                "mov ecx, {pkrs}",
                "xor edx, edx",
                "wrmsr",
                "mov rcx, r8",
                "mov rdx, r9",
                "call r10",
                "mov r8d, eax",
                "xor eax, eax",
                "xor edx, edx",
                "mov ecx, {pkrs}",
                "wrmsr",
                "mov eax, r8d",
                "mov r10, gs:[{calls}]",
                // Where the return address is. What lies below may be overwritten from here on.
                "lea rsp, [r10 - 8]",
                ".cfi_def_cfa rsp, 8",
                "mov r15, [r10 + 32]",
                "mov r14, [r10 + 40]",
                "mov r13, [r10 + 48]",
                "mov r12, [r10 + 56]",
                "mov rbp, [r10 + 64]",
                "mov rbx, [r10 + 72]",
                "push qword ptr [r10 + 24]",
                "popfq",
                "ret",
                ".cfi_endproc",
                key = const $key,
                kind = const $kind,
                rights = sym $crate::arch::RIGHTS,
                head = sym $crate::arch::HEAD,
                task = const $crate::arch::TASK,
                thread_rights = const $crate::arch::THREAD_RIGHTS,
                call_stack = const $crate::arch::CALL_STACK,
                call_stack_bytes = const $crate::arch::CALL_STACK_BYTES,
                pkrs = const $crate::arch::PKRS,
                calls = sym $calls,
            )
        }
    };
}
pub(crate) use call_gate;

/// Where the rights of a thread's code lie in the thread.
pub const THREAD_RIGHTS: usize = offset_of!(Context, rights);

/// What a thread does when its driver's function has returned.
pub trait DriverReturn {
    /// Ends the thread, which has got this from the function. It is called on the CPU's call stack, with interrupts off.
    extern "C" fn end(result: i32) -> !;
}

/// Calls a function of a driver as what the running thread does, with the thread's rights, and then `E`. The function need not keep
/// registers, nor the stack.
///
/// # Safety
/// The function may be called with this argument. Nothing on the thread's stack is needed any more. The thread has a stack of its own, which
/// its driver may write. Interrupts and preemption are on.
#[unsafe(naked)]
pub unsafe extern "C" fn run_driver<E: DriverReturn>(function: *const (), argument: usize) -> ! {
    naked_asm!(
        ".cfi_startproc",
        "mov r8, rdi",
        "mov rdi, rsi",
        "mov rcx, gs:[{head} + {task}]",
        "mov eax, [rcx + {rights}]",
        "mov ecx, {pkrs}",
        "xor edx, edx",
        "wrmsr",
        "sub rsp, 8",
        // For traces of the stack.
        ".cfi_adjust_cfa_offset 8",
        "call r8",
        "cli",
        "cld",
        "mov edi, eax",
        "xor eax, eax",
        "xor edx, edx",
        "mov ecx, {pkrs}",
        "wrmsr",
        // No function of a driver is called there, since preemption was on.
        "mov rsp, gs:[{head} + {call_stack}]",
        "call {end}",
        "ud2",
        ".cfi_endproc",
        head = sym HEAD,
        task = const TASK,
        call_stack = const CALL_STACK,
        rights = const THREAD_RIGHTS,
        pkrs = const PKRS,
        end = sym E::end,
    )
}

unsafe extern "C" {
    #[link_name = "__start_guarded_call_sites"]
    static SITES: u64;
    #[link_name = "__stop_guarded_call_sites"]
    static SITES_END: u64;
}

/// Makes all guarded calls lead to this gate, which [`call_gate`] has defined.
///
/// # Safety
/// This CPU alone runs, and interrupts are off.
pub unsafe fn lead_calls_to(gate: unsafe extern "C" fn(), _: &InterruptsOff) {
    let flags = Cr0::read();
    // SAFETY: what the code writes meanwhile is below. Without the flag, the CPU may write read-only pages (Intel SDM vol. 3 §2.5).
    unsafe { Cr0::write(flags - Cr0Flags::WRITE_PROTECT) };
    let mut site = &raw const SITES;
    while site < &raw const SITES_END {
        // SAFETY: the linker lists the addresses of calls of five bytes in the kernel's code (`guarded_call`). By `# Safety` no CPU
        // executes them meanwhile. The gate is in the kernel's code, too, so the distance fits 32 bits.
        unsafe {
            let call = *site;
            let distance = (gate as usize as u64).wrapping_sub(call + 5) as u32;
            let code = core::ptr::with_exposed_provenance_mut::<u8>(call as usize);
            code.write_volatile(0xe8);
            code.add(1).cast::<u32>().write_unaligned(distance);
            site = site.add(1);
        }
    }
    // SAFETY: these were the flags before. The write also makes the CPU fetch the changed code (Intel SDM vol. 3 §9.1.3, §9.3).
    unsafe { Cr0::write(flags) };
}
