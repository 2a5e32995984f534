//! Single instructions: interrupts on and off, halting, the GS base, the time stamp counter, changing stacks.
use crate::memory::shootdown;
use ::x86_64::instructions::{hlt, interrupts};
use ::x86_64::registers::model_specific::GsBase;
use core::arch::{asm, naked_asm};
use units::VirtAddr;

/// Keeps interrupts off on this CPU while it lives, then restores what was.
pub struct InterruptsOff {
    were_on: bool,
}

impl InterruptsOff {
    /// Switches interrupts off.
    #[inline]
    pub fn new() -> Self {
        let were_on = interrupts::are_enabled();
        interrupts::disable();
        Self { were_on }
    }

    /// Whether they are off.
    #[inline]
    pub fn are_off() -> bool {
        !interrupts::are_enabled()
    }
}

impl Drop for InterruptsOff {
    #[inline]
    fn drop(&mut self) {
        if self.were_on {
            interrupts::enable();
        }
    }
}

/// Does `work` with interrupts on, then restores what was.
pub fn with_interrupts_on(work: impl FnOnce()) {
    let were_on = interrupts::are_enabled();
    interrupts::enable();
    work();
    if !were_on {
        interrupts::disable();
    }
}

/// Halts this CPU until an interrupt has come and was handled. Interrupts must be off when called, and are off again on
/// return: what is looked at before the call cannot change between the look and the halt without waking the CPU.
pub fn idle() {
    shootdown::enter_idle();
    interrupts::enable_and_hlt();
    interrupts::disable();
    shootdown::leave_idle();
}

/// Halts this CPU for good.
pub fn halt_forever() -> ! {
    interrupts::disable();
    loop {
        hlt();
    }
}

/// The address that this CPU was given with [`set_per_cpu_pointer`]: the word that it points to, which is its own address.
///
/// # Safety
/// [`set_per_cpu_pointer`] was called on this CPU.
#[inline]
pub unsafe fn per_cpu_pointer() -> *const () {
    let pointer: *const ();
    // SAFETY: GS points to a block whose first word is its own address; that word never changes.
    unsafe { asm!("mov {}, gs:[0]", out(reg) pointer, options(nostack, preserves_flags, pure, readonly)) };
    pointer
}

/// The 64-bit word at this offset of the running CPU's block, in one instruction.
#[inline]
pub fn per_cpu_word<const OFFSET: usize>() -> *const () {
    let word: *const ();
    // SAFETY: a CPU has its block from the start; what lies in it may be read.
    unsafe {
        asm!("mov {}, gs:[{}]", out(reg) word, const OFFSET, options(nostack, preserves_flags, readonly))
    };
    word
}

/// Adds 1 to the 32-bit counter at this offset of the running CPU's block, in one instruction.
///
/// # Safety
/// There is such a counter.
#[inline]
pub unsafe fn per_cpu_increment<const OFFSET: usize>() {
    // SAFETY: the caller says so.
    unsafe { asm!("inc dword ptr gs:[{}]", const OFFSET, options(nostack)) };
}

/// Takes 1 from the 32-bit counter at this offset of the running CPU's block; if it is 0 then, calls the scheduler. Unlike a call
/// of its own this one keeps all registers, so that who ends a short stretch with it needs no stack.
///
/// # Safety
/// There is such a counter, which is not 0. The code may be left for another thread here.
#[inline]
pub unsafe fn per_cpu_decrement_and_call<const OFFSET: usize>() {
    // SAFETY: the caller says so; what is called changes no register and takes any alignment of the stack. That it pushes is no
    // more than what interrupts do at any place: the target has no red zone.
    unsafe {
        asm!(
            "dec dword ptr gs:[{counter}]",
            "jnz 2f",
            "call {call}",
            "2:",
            counter = const OFFSET,
            call = sym call_preempt_if_due,
            options(nostack),
        );
    }
}

/// Calls the scheduler with all registers kept that the calling convention would not keep, whatever the stack's alignment.
#[unsafe(naked)]
extern "C" fn call_preempt_if_due() {
    naked_asm!(
        "push rbp",
        "mov rbp, rsp",
        "push rax", "push rcx", "push rdx", "push rsi", "push rdi", "push r8", "push r9", "push r10", "push r11",
        "and rsp, -16",
        "cld",
        "call {preempt}",
        "lea rsp, [rbp - 72]",
        "pop r11", "pop r10", "pop r9", "pop r8", "pop rdi", "pop rsi", "pop rdx", "pop rcx", "pop rax",
        "pop rbp",
        "ret",
        preempt = sym crate::threading::scheduler::preempt_if_due,
    )
}

/// Switches interrupts on.
#[inline]
pub fn enable_interrupts() {
    interrupts::enable();
}

/// Lets this CPU reach its block through GS.
///
/// # Safety
/// The word at `block` holds `block` itself, for as long as this CPU runs.
pub unsafe fn set_per_cpu_pointer(block: *const ()) {
    GsBase::write(::x86_64::VirtAddr::from_ptr(block));
}

/// The time stamp counter (Intel SDM vol. 3 §18.17): under an emulator that counts instructions, instructions.
#[inline]
pub fn ticks() -> u64 {
    // SAFETY: every x86-64 CPU has RDTSC, and CR4.TSD does not matter in ring 0.
    unsafe { core::arch::x86_64::_rdtsc() }
}

/// Leaves the current stack for good and calls `continue_at` on the one that ends at `stack_top`.
///
/// # Safety
/// `stack_top` is the 16-byte aligned end of a mapped stack that nobody uses. No reference into the old stack is used
/// afterwards.
pub unsafe fn switch_stack(stack_top: VirtAddr, continue_at: extern "C" fn() -> !) -> ! {
    #[unsafe(naked)]
    extern "C" fn switch(_stack_top: u64, _continue_at: extern "C" fn() -> !) -> ! {
        naked_asm!("mov rsp, rdi", "xor ebp, ebp", "call rsi", "ud2")
    }
    switch(stack_top.0, continue_at)
}

/// Executes an instruction that no CPU has.
pub fn invalid_instruction() {
    // SAFETY: UD2 only raises the invalid opcode exception.
    unsafe { asm!("ud2", options(nomem, nostack)) };
}
