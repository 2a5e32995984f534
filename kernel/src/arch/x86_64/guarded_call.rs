//! Guarded calls: calls of functions that may fail. An exception in such a function can make the CPU continue behind the call, as if the
//! function had returned.
//!
//! A call leaves a [`CallRecord`] on the stack: the registers that a function keeps, the flags, and where the CPU continues. A word of the
//! CPU leads to the record of its innermost call, and each record to the one before. A call that succeeds restores no register, since
//! its function has done so.
use super::interrupts::Frame;
use protection_keys::Rights;

/// What a guarded call has saved, from the stack pointer on. It is there while the function runs.
#[repr(C)]
#[derive(Debug)]
pub struct CallRecord {
    /// The record of the call around this one.
    previous: *const CallRecord,
    /// What the caller has called the function as.
    mark: *const (),
    /// Where the CPU continues if the function fails.
    fixup: u64,
    flags: u64,
    /// r15, r14, r13, r12, rbp, rbx: in the reverse of the order in which the call pushes them.
    registers: [u64; 6],
}

// SAFETY: the pointers are only copied.
unsafe impl Sync for CallRecord {}

unsafe extern "C" {
    #[link_name = "__start_guarded_call"]
    static START: u8;
    #[link_name = "__stop_guarded_call"]
    static END: u8;
}

impl CallRecord {
    /// Returns the record of a CPU that runs no guarded call.
    pub const fn outermost(mark: *const ()) -> Self {
        Self { previous: core::ptr::null(), mark, fixup: 0, flags: 0, registers: [0; 6] }
    }

    /// Returns the mark of the call.
    #[inline(always)]
    pub fn mark(&self) -> *const () {
        self.mark
    }

    /// Returns the record of the call around this one; null for the outermost.
    pub fn previous(&self) -> *const Self {
        self.previous
    }

    /// Returns true if the function that was called has just been left by a jump or a return, with this stack pointer.
    pub fn is_left_at(&self, stack_pointer: u64) -> bool {
        let start = core::ptr::from_ref(self).addr() as u64;
        stack_pointer == start || stack_pointer == start - 8
    }

    /// Makes the CPU continue behind the call, with the registers, the flags and the stack of then. Returns false, and changes nothing, if the
    /// record was overwritten. The caller makes the CPU's word lead to the record before.
    pub fn abandon(&self, frame: &mut Frame) -> bool {
        let fixups = &raw const START as u64..&raw const END as u64;
        if !fixups.contains(&self.fixup) {
            return false;
        }
        let [r15, r14, r13, r12, rbp, rbx] = self.registers;
        frame.registers[..4].copy_from_slice(&[r15, r14, r13, r12]);
        (frame.registers[RBP], frame.registers[RBX]) = (rbp, rbx);
        frame.instruction_pointer = self.fixup;
        frame.flags = self.flags;
        frame.rights = Rights::KERNEL;
        frame.stack_pointer = core::ptr::from_ref(self).addr() as u64 + size_of::<Self>() as u64;
        true
    }
}

/// The places of registers in a frame.
const RBP: usize = 10;
const RBX: usize = 11;

/// Calls a function with up to four arguments, and returns the lower 32 bits of its result, or `$default` if it has failed. `$calls` is a
/// word of each CPU that leads to the record of its innermost call.
///
/// The stack is aligned to 16 bytes at the call, as the ABI demands: the pushes keep it so, and the address of a local variable makes the compiler
/// align it before. Without one it may do that behind the call, or not at all. In AT&T syntax, since the other one has no constant that is a numeric label's address.
macro_rules! guarded_call {
    ($calls:path, $mark:expr, $function:expr, $default:expr, $($register:tt = $argument:expr),*) => {{
        let result: usize;
        let aligned = core::mem::MaybeUninit::<u64>::uninit();
        core::arch::asm!(
            "# {aligned}",
            "pushq %rbx",
            "pushq %rbp",
            "pushq %r12",
            "pushq %r13",
            "pushq %r14",
            "pushq %r15",
            "pushfq",
            "pushq $3f",
            "pushq {mark}",
            "pushq %gs:{calls}",
            // For traces of the stack.
            ".cfi_adjust_cfa_offset 80",
            "movq %rsp, %gs:{calls}",
            // With prefixes that mean nothing, the call has the five bytes of one that leads to a gate (`protection.rs`).
            "4:",
            ".byte 0x3e, 0x3e, 0x3e",
            "call *%rax",
            "popq %gs:{calls}",
            "addq $72, %rsp",
            ".cfi_adjust_cfa_offset -80",
            "2:",
            ".pushsection guarded_call, \"ax\", @progbits",
            "3:",
            "movl ${default}, %eax",
            "jmp 2b",
            ".popsection",
            ".pushsection guarded_call_sites, \"aR\", @progbits",
            ".balign 8",
            ".quad 4b",
            ".popsection",
            calls = sym $calls,
            aligned = in(reg) aligned.as_ptr(),
            mark = in(reg) $mark,
            default = const $default,
            $(in($register) $argument,)*
            inlateout("rax") $function.addr() => result,
            clobber_abi("C"),
            options(att_syntax),
        );
        result as i32
    }};
}
pub(crate) use guarded_call;
