//! Single instructions: interrupts on and off, halting, the time stamp counter, changing stacks.
use ::x86_64::instructions::{hlt, interrupts};
use core::arch::{asm, naked_asm};
use core::marker::PhantomData;
use stack_trace::Registers;
use units::VirtAddr;

/// Keeps interrupts off on the running CPU. Dropping it restores the state that [`InterruptsOff::new`] found, so of two guards
/// the younger is dropped first. It is not `Send`, because the state is that CPU's.
pub struct InterruptsOff {
    were_on: bool,
    not_send: PhantomData<*mut ()>,
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

    /// Returns true if interrupts are off.
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

/// Lets the interrupts in that have come meanwhile, in a long piece of work with interrupts off. The caller holds no lock.
pub fn let_interrupts_in(_: &InterruptsOff) {
    // SAFETY: interrupts come after the instruction behind STI. The handlers restore all registers. Without `nomem`, the compiler
    // moves no access to memory across them.
    unsafe { asm!("sti", "nop", "cli") };
}

/// Halts this CPU until it has handled an interrupt. Interrupts must be off at the call, and are off on return: an interrupt
/// that comes between the caller's last look for work and the halt still ends the halt.
pub fn halt_until_interrupt() {
    // SAFETY: the instruction after STI is executed before any interrupt, so none is missed before HLT. The handlers restore
    // all registers. Without `nomem`, the compiler moves no access to memory across the halt.
    unsafe { asm!("sti", "hlt", "cli") };
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

/// Returns the time stamp counter (Intel SDM vol. 3 §18.17). Under an emulator that counts instructions, it counts those.
#[inline]
pub fn ticks() -> u64 {
    // SAFETY: every x86-64 CPU has RDTSC, and ring 0 may execute it whatever CR4.TSD says.
    unsafe { core::arch::x86_64::_rdtsc() }
}

/// Returns the time stamp counter. The CPU reads it after all earlier loads (Intel SDM vol. 2B, RDTSC).
#[inline]
pub fn ticks_after_loads() -> u64 {
    // SAFETY: a fence changes no register and no memory. Without `nomem`, the compiler moves no load behind it.
    unsafe { asm!("lfence", options(nostack, preserves_flags)) };
    ticks()
}

/// Returns the time stamp counter. The CPU reads it after all earlier instructions and before all later ones.
pub fn ticks_in_order() -> u64 {
    // SAFETY: fences change no register and no memory.
    unsafe { asm!("mfence", "lfence", options(nostack, preserves_flags)) };
    let ticks = ticks();
    // SAFETY: a fence changes no register and no memory.
    unsafe { asm!("lfence", options(nostack, preserves_flags)) };
    ticks
}

/// Leaves the current stack for good and calls `continue_at` on the stack that ends at `stack_top`.
///
/// # Safety
/// `stack_top` is the end of a mapped stack, aligned to 16 bytes, and nothing else uses that stack. Nothing uses the current
/// stack afterwards.
pub unsafe fn switch_stack(stack_top: VirtAddr, continue_at: extern "C" fn() -> !) -> ! {
    #[unsafe(naked)]
    unsafe extern "C" fn switch(_stack_top: u64, _continue_at: extern "C" fn() -> !) -> ! {
        // The frame pointer of 0 ends a debugger's walk over the stack.
        naked_asm!("mov rsp, rdi", "xor ebp, ebp", "call rsi", "ud2")
    }
    // SAFETY: by `# Safety`, the call has a stack to itself, and nothing misses the current one.
    unsafe { switch(stack_top.0, continue_at) }
}

/// Returns the registers at this place that a function keeps for its caller, for a stack trace.
#[inline(always)]
pub fn registers_here() -> Registers {
    let mut general = [0; 16];
    let instruction;
    // SAFETY: the instructions store registers in `general`, which has room for them.
    unsafe {
        asm!(
            "mov [{general} + 8 * 3], rbx",
            "mov [{general} + 8 * 6], rbp",
            "mov [{general} + 8 * 7], rsp",
            "mov [{general} + 8 * 12], r12",
            "mov [{general} + 8 * 13], r13",
            "mov [{general} + 8 * 14], r14",
            "mov [{general} + 8 * 15], r15",
            "lea {instruction}, [rip]",
            general = in(reg) general.as_mut_ptr(),
            instruction = lateout(reg) instruction,
            options(nostack, preserves_flags),
        );
    }
    Registers::of(instruction, general)
}

/// Executes an invalid instruction, for the fault injection.
pub fn invalid_instruction() {
    // SAFETY: UD2 only raises the invalid opcode exception.
    unsafe { asm!("ud2", options(nomem, nostack)) };
}

/// Executes an instruction of the FPU, for the fault injection.
pub fn use_fpu() {
    // SAFETY: CR0.TS is set, so the instruction raises an exception. If it were not, FNINIT would only reset the FPU's registers, which
    // nothing uses.
    unsafe { asm!("fninit", options(nomem, nostack)) };
}
