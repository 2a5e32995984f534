//! Switching the CPU from one thread's stack to another's.
//!
//! A thread that does not run keeps its callee-saved registers on its stack, and its stack pointer in its context. The calling
//! convention saves the other registers at the call of [`switch`]. No thread uses the FPU, so its state is not saved.
use core::arch::naked_asm;
use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use protection_keys::Rights;
use units::VirtAddr;

/// What the CPU needs to continue a thread.
#[repr(C)]
pub struct Context {
    /// Where the saved registers are on the thread's stack. The switch away from the thread writes it.
    stack_pointer: UnsafeCell<u64>,
    /// True while a CPU uses the thread's stack. The switch away clears it once the registers are saved.
    on_stack: AtomicBool,
    /// What the thread's code may write if it is a driver's, and none of the kernel's for a thread of the kernel: what functions of drivers
    /// may write on its behalf. It never changes once the thread runs.
    pub(super) rights: AtomicU32,
}

// SAFETY: `stack_pointer` is never accessed by two CPUs at once. The switch away from the thread writes it and then clears
// `on_stack`. Only a switch to the thread reads it, which by `# Safety` of `switch` happens on one CPU, after that store.
unsafe impl Sync for Context {}

impl Context {
    /// Returns the context of a thread that a CPU runs already, on any stack.
    pub const fn on_a_cpu() -> Self {
        Self {
            stack_pointer: UnsafeCell::new(0),
            on_stack: AtomicBool::new(true),
            rights: AtomicU32::new(Rights::NONE.bits()),
        }
    }

    /// Returns the context of a thread that has not run yet. It will start with `entry` on this stack, with interrupts off.
    ///
    /// # Safety
    /// `stack_top` is the end of a mapped stack of at least 4 KiB, aligned to 16 bytes. Nothing else uses the stack.
    pub unsafe fn fresh(stack_top: VirtAddr, entry: extern "C" fn() -> !) -> Self {
        // What `switch_stacks` pops: six registers and a return address. The word above stands for the return address of
        // `entry`, which never returns: with it, the stack is aligned as after a call.
        let frame: [u64; 8] = [0, 0, 0, 0, 0, 0, entry as usize as u64, 0];
        let bottom = stack_top.0 - size_of_val(&frame) as u64;
        // SAFETY: by `# Safety`, the 64 bytes below `stack_top` are mapped and aligned, and nothing else uses them.
        unsafe { core::ptr::with_exposed_provenance_mut::<[u64; 8]>(bottom as usize).write(frame) };
        Self {
            stack_pointer: UnsafeCell::new(bottom),
            on_stack: AtomicBool::new(false),
            rights: AtomicU32::new(Rights::NONE.bits()),
        }
    }

    /// Sets what the thread's code may write. The thread has not run yet.
    pub fn set_rights(&self, rights: Rights) {
        self.rights.store(rights.bits(), Ordering::Relaxed);
    }

    /// Returns true if a CPU uses the thread's stack.
    pub fn is_on_stack(&self) -> bool {
        self.on_stack.load(Ordering::Acquire)
    }
}

/// Saves the running thread in `previous` and continues `next`. Returns when a CPU, this one or another, switches back to
/// `previous`.
///
/// # Safety
/// - `previous` is the running thread's context, and interrupts are off.
/// - `next` is [not on its stack](Context::is_on_stack), and no other CPU switches to it.
/// - Each context stays valid until a switch away from it has cleared its `on_stack`.
#[inline]
pub unsafe fn switch(previous: &Context, next: &Context) {
    debug_assert!(!next.is_on_stack(), "a CPU still uses the stack of the thread that is switched to");
    next.on_stack.store(true, Ordering::Relaxed);
    // SAFETY: by `# Safety` `next` is not on its stack, so an earlier switch or `fresh` has written its stack pointer, and no other
    // CPU uses it. `previous` is the running thread's context, with interrupts off, and both contexts stay valid.
    unsafe { switch_stacks(previous, next) };
}

/// Saves the callee-saved registers, changes stacks, and returns on the other stack.
///
/// # Safety
/// As for [`switch`].
#[unsafe(naked)]
unsafe extern "C" fn switch_stacks(previous: &Context, next: &Context) {
    naked_asm!(
        // For traces of the stack, up to where the stack changes.
        ".cfi_startproc",
        ".irp register, rbp, rbx, r12, r13, r14, r15",
        "push \\register",
        ".cfi_adjust_cfa_offset 8",
        ".endr",
        "mov [rdi], rsp",
        "mov rsp, [rsi]",
        // From here on, another CPU may continue the previous thread. x86 keeps the order of this store and the one of `rsp`.
        "mov byte ptr [rdi + 8], 0",
        "pop r15",
        "pop r14",
        "pop r13",
        "pop r12",
        "pop rbx",
        "pop rbp",
        "ret",
        ".cfi_endproc",
    )
}

const _: () = assert!(core::mem::offset_of!(Context, on_stack) == 8);
