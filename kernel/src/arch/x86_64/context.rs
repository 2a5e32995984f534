//! Switching from one thread's stack to another's.
//!
//! A thread that does not run has its callee-saved registers on its stack, and the stack pointer in its context. All else
//! a function call saves anyway; the FPU belongs to nobody.
use core::arch::naked_asm;
use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicBool, Ordering};
use units::VirtAddr;

/// Where a thread goes on.
#[repr(C)]
pub struct Context {
    /// Written by the switch away from the thread, read by the switch to it.
    stack_pointer: UnsafeCell<u64>,
    /// Set while a CPU runs on the thread's stack; the switch clears it when the registers are saved.
    running: AtomicBool,
}

// SAFETY: `running` says who may touch the stack pointer: the CPU that runs the thread, else the one that is about to.
unsafe impl Sync for Context {}

impl Context {
    /// The context of a thread that runs already, on whatever stack.
    pub const fn running() -> Self {
        Self { stack_pointer: UnsafeCell::new(0), running: AtomicBool::new(true) }
    }

    /// The context of a thread that has not run yet, and will begin with `entry` on this stack, interrupts off.
    ///
    /// # Safety
    /// `stack_top` is the 16-byte aligned end of a mapped stack of at least 4 KiB that nobody else uses.
    pub unsafe fn fresh(stack_top: VirtAddr, entry: extern "C" fn() -> !) -> Self {
        // As `switch` leaves a stack: six registers, the return address; then a place to return to for `entry`, which it
        // does not, so that the stack is aligned as after a call.
        let frame: [u64; 8] = [0, 0, 0, 0, 0, 0, entry as usize as u64, 0];
        let place = stack_top.0 - size_of_val(&frame) as u64;
        // SAFETY: the stack is mapped and the caller's.
        unsafe { core::ptr::with_exposed_provenance_mut::<[u64; 8]>(place as usize).write(frame) };
        Self { stack_pointer: UnsafeCell::new(place), running: AtomicBool::new(false) }
    }

    /// Whether a CPU runs on the thread's stack.
    pub fn is_running(&self) -> bool {
        self.running.load(Ordering::Acquire)
    }
}

/// Goes on with `next`, leaving the running thread `previous` where it is until somebody switches back to it.
///
/// # Safety
/// `previous` is the running thread's, interrupts are off, `next` [is not running](Context::is_running), and no other CPU is
/// about to switch to it. Both live until they are switched away from and not to be switched to again.
#[inline]
pub unsafe fn switch(previous: &Context, next: &Context) {
    debug_assert!(!next.is_running(), "a thread that some CPU has not left yet was switched to");
    next.running.store(true, Ordering::Relaxed);
    // SAFETY: the caller says so.
    unsafe { switch_stacks(previous, next) };
}

/// Saves the registers that a function must keep, changes stacks, and returns on the other.
#[unsafe(naked)]
unsafe extern "C" fn switch_stacks(previous: &Context, next: &Context) {
    naked_asm!(
        "push rbp",
        "push rbx",
        "push r12",
        "push r13",
        "push r14",
        "push r15",
        "mov [rdi], rsp",
        "mov rsp, [rsi]",
        // From here on another CPU may run the previous thread; x86 keeps the order of the two stores.
        "mov byte ptr [rdi + 8], 0",
        "pop r15",
        "pop r14",
        "pop r13",
        "pop r12",
        "pop rbx",
        "pop rbp",
        "ret",
    )
}

const _: () = assert!(core::mem::offset_of!(Context, running) == 8);
