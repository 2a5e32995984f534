//! Single instructions: interrupts on and off, halting, the GS base, the time stamp counter, changing stacks.
use ::x86_64::instructions::{hlt, interrupts};
use core::arch::{asm, naked_asm};
use core::marker::PhantomData;
use units::VirtAddr;

/// Keeps interrupts off on this CPU while it lives. When dropped, it restores what was before.
pub struct InterruptsOff {
    were_on: bool,
    /// A guard belongs to the CPU that it was made on.
    not_send: PhantomData<*const ()>,
}

impl InterruptsOff {
    /// Switches interrupts off.
    #[inline]
    pub fn new() -> Self {
        let were_on = interrupts::are_enabled();
        interrupts::disable();
        Self { were_on, not_send: PhantomData }
    }

    /// Returns a guard for code that runs with interrupts off already. Dropping it changes nothing.
    ///
    /// # Safety
    /// Interrupts are off, and stay off while the guard lives.
    #[inline]
    pub unsafe fn assume() -> Self {
        Self { were_on: false, not_send: PhantomData }
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
pub fn halt_until_interrupt() {
    interrupts::enable_and_hlt();
    interrupts::disable();
}

/// Halts this CPU for good.
pub fn halt_forever() -> ! {
    interrupts::disable();
    loop {
        hlt();
    }
}

/// Switches interrupts on.
#[inline]
pub fn enable_interrupts() {
    interrupts::enable();
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
