//! What the CPU itself forbids the kernel: writing what is read-only, executing data, touching or executing what user code
//! could have put there (Intel SDM vol. 3 §4.6).
use ::x86_64::registers::control::{Cr0, Cr0Flags, Cr4, Cr4Flags};
use ::x86_64::registers::model_specific::{Efer, EferFlags};
use core::arch::x86_64::{__cpuid, __cpuid_count};

/// The kernel's protections that are on, by register.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Protections {
    cr0: Cr0Flags,
    efer: EferFlags,
    cr4: Cr4Flags,
}

impl Protections {
    /// Those that the running CPU has at all.
    pub fn available() -> Self {
        let mut cr4 = Cr4Flags::empty();
        // CPUID leaf 7 is there where leaf 0 says so (Intel SDM vol. 2, CPUID).
        if __cpuid(0).eax >= 7 {
            let leaf = __cpuid_count(7, 0);
            cr4.set(Cr4Flags::SUPERVISOR_MODE_EXECUTION_PROTECTION, leaf.ebx & (1 << 7) != 0);
            cr4.set(Cr4Flags::SUPERVISOR_MODE_ACCESS_PREVENTION, leaf.ebx & (1 << 20) != 0);
            cr4.set(Cr4Flags::USER_MODE_INSTRUCTION_PREVENTION, leaf.ecx & (1 << 2) != 0);
        }
        // The boot loader has set NXE without asking, so a CPU that has none does not come this far.
        Self { cr0: Cr0Flags::WRITE_PROTECT, efer: EferFlags::NO_EXECUTE_ENABLE, cr4 }
    }

    /// Those of them that are on, on the running CPU.
    pub fn enabled() -> Self {
        let available = Self::available();
        Self {
            cr0: Cr0::read() & available.cr0,
            efer: Efer::read() & available.efer,
            cr4: Cr4::read() & available.cr4,
        }
    }
}

/// Switches on, on the boot CPU, what it has; the other CPUs take over its control registers when they start. Global pages go
/// off, and with them every translation that firmware may have left: the kernel has one address space, and nothing that should
/// outlive a flush.
pub fn enable_protections() {
    let Protections { cr0, efer, cr4 } = Protections::available();
    // SAFETY: the boot loader maps no page that the kernel writes as read-only, executes as data, or lets user code use.
    unsafe {
        Cr0::update(|flags| *flags |= cr0);
        Efer::update(|flags| *flags |= efer);
        Cr4::update(|flags| {
            *flags |= cr4;
            flags.remove(Cr4Flags::PAGE_GLOBAL);
        });
    }
}
