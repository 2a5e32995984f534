//! Switching the running CPU's interrupts off and on, and waiting for another CPU.
#[cfg(target_os = "none")]
use core::arch::asm;

/// The flag of interrupts in RFLAGS (Intel SDM vol. 1 §3.4.3).
#[cfg(target_os = "none")]
const INTERRUPTS_ON: u64 = 1 << 9;

// In a test on a host, the crate `driver_mock` has the interrupts.
#[cfg(not(target_os = "none"))]
unsafe extern "C" {
    safe fn ProximaHost_InterruptsOff() -> u64;
    safe fn ProximaHost_RestoreInterrupts(flags: u64);
    safe fn ProximaHost_Spin();
}

/// Keeps interrupts off on the running CPU until it is restored.
pub struct InterruptsOff {
    flags: u64,
}

impl InterruptsOff {
    /// Switches interrupts off.
    #[inline(always)]
    pub fn new() -> Self {
        #[cfg(target_os = "none")]
        let flags = {
            let flags;
            // SAFETY: the code runs in ring 0. It reads the flags and clears that of interrupts. Without `nomem`, the compiler moves
            // no access of memory before it.
            unsafe { asm!("pushfq", "pop {}", "cli", out(reg) flags) };
            flags
        };
        #[cfg(not(target_os = "none"))]
        let flags = ProximaHost_InterruptsOff();
        Self { flags }
    }

    /// Switches interrupts on again, if they were on when this was made.
    #[inline(always)]
    pub fn restore(&self) {
        #[cfg(target_os = "none")]
        if self.flags & INTERRUPTS_ON != 0 {
            // SAFETY: interrupts were on before. Without `nomem`, the compiler moves no access of memory behind it.
            unsafe { asm!("sti", options(nostack)) };
        }
        #[cfg(not(target_os = "none"))]
        ProximaHost_RestoreInterrupts(self.flags);
    }
}

/// Lets time pass in a loop that waits for another CPU.
#[inline(always)]
pub fn spin() {
    #[cfg(target_os = "none")]
    core::hint::spin_loop();
    #[cfg(not(target_os = "none"))]
    ProximaHost_Spin();
}
