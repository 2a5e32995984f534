//! Switching the running CPU's interrupts off and on.
use core::arch::asm;

/// The flag of interrupts in RFLAGS (Intel SDM vol. 1 §3.4.3).
const INTERRUPTS_ON: u64 = 1 << 9;

/// Keeps interrupts off on the running CPU until it is restored.
pub struct InterruptsOff {
    flags: u64,
}

impl InterruptsOff {
    /// Switches interrupts off.
    #[inline(always)]
    pub fn new() -> Self {
        let flags;
        // SAFETY: the code runs in ring 0. It reads the flags and clears that of interrupts. Without `nomem`, the compiler moves
        // no access of memory before it.
        #[cfg(target_os = "none")]
        unsafe {
            asm!("pushfq", "pop {}", "cli", out(reg) flags)
        };
        // A test on the host has no interrupts.
        #[cfg(not(target_os = "none"))]
        {
            flags = 0;
        }
        Self { flags }
    }

    /// Switches interrupts on again, if they were on when this was made.
    #[inline(always)]
    pub fn restore(&self) {
        if self.flags & INTERRUPTS_ON != 0 {
            // SAFETY: interrupts were on before. Without `nomem`, the compiler moves no access of memory behind it.
            unsafe { asm!("sti", options(nostack)) };
        }
    }
}
