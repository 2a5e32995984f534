//! What the CPU forbids the kernel: writing read-only pages, executing data, and using pages of user code (Intel SDM vol. 3
//! §4.6).
use ::x86_64::registers::control::{Cr0, Cr0Flags, Cr4, Cr4Flags};
use ::x86_64::registers::model_specific::{Efer, EferFlags};
use core::arch::x86_64::{__cpuid, __cpuid_count};

/// A set of protections, by the register that holds their bits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Protections {
    cr0: Cr0Flags,
    efer: EferFlags,
    cr4: Cr4Flags,
}

impl Protections {
    /// Returns the protections that the running CPU has.
    pub fn available() -> Self {
        let mut cr4 = Cr4Flags::empty();
        // Leaf 0 says which is the last leaf (Intel SDM vol. 2, CPUID).
        if __cpuid(0).eax >= 7 {
            let leaf = __cpuid_count(7, 0);
            cr4.set(Cr4Flags::SUPERVISOR_MODE_EXECUTION_PROTECTION, leaf.ebx & (1 << 7) != 0);
            cr4.set(Cr4Flags::SUPERVISOR_MODE_ACCESS_PREVENTION, leaf.ebx & (1 << 20) != 0);
            cr4.set(Cr4Flags::USER_MODE_INSTRUCTION_PREVENTION, leaf.ecx & (1 << 2) != 0);
        }
        // The boot loader sets NXE without asking: a CPU that lacks it does not come this far.
        Self { cr0: Cr0Flags::WRITE_PROTECT, efer: EferFlags::NO_EXECUTE_ENABLE, cr4 }
    }

    /// Returns the protections that are on, on the running CPU. Only the self-tests need it; it is here for the registers.
    pub fn enabled() -> Self {
        let available = Self::available();
        Self {
            cr0: Cr0::read() & available.cr0,
            efer: Efer::read() & available.efer,
            cr4: Cr4::read() & available.cr4,
        }
    }
}

/// Switches on the protections that the running CPU has, and switches global pages off. Only the boot CPU calls this: the other
/// CPUs start with its control registers.
///
/// Without global pages, a load of CR3 flushes every translation, also those of the firmware. The kernel has one address space,
/// so no translation should outlive a flush.
pub fn enable_protections() {
    let Protections { cr0, efer, cr4 } = Protections::available();
    // SAFETY: no protection forbids what the kernel does in the boot loader's address space: it maps the kernel's data as
    // writable, the kernel's code as executable, and no page as user code's.
    unsafe {
        Cr0::update(|flags| *flags |= cr0);
        Efer::update(|flags| *flags |= efer);
        Cr4::update(|flags| {
            *flags |= cr4;
            flags.remove(Cr4Flags::PAGE_GLOBAL);
        });
    }
}
