//! The registers that decide what a CPU does with code and memory, set to known values on every CPU: the kernel inherits none from
//! firmware or the boot loader (Intel SDM vol. 3 §2.5, §12.12, §18.2.4).
use super::protection::{self, PKRS};
use ::x86_64::registers::control::{Cr0, Cr3, Cr4};
use ::x86_64::registers::model_specific::{Efer, Msr};
use core::arch::asm;
use core::arch::x86_64::{__cpuid, __cpuid_count};

/// CR0: protected mode (0), the FPU is watched (1), its type (4), its errors are exceptions (5), pages may be read-only (16), paging
/// (31). With "task switched" (3), every instruction of the FPU, MMX and SSE is a fault. Caches are on: bits 29 and 30 are clear.
const CR0: u64 = 1 << 0 | 1 << 1 | 1 << 3 | 1 << 4 | 1 << 5 | 1 << 16 | 1 << 31;
/// CR4: wide page tables (5), and SSE instructions are valid (9), so that they fault by CR0. [`cr4_features`] adds what the CPU may have.
/// Global pages (7) are off: a load of CR3 then flushes every translation, also those of firmware. Without bit 18, AVX instructions
/// are invalid.
const CR4: u64 = 1 << 5 | 1 << 9;
/// EFER: long mode is on (8) and active (10), and pages may forbid execution (11). SYSCALL is off.
const EFER: u64 = 1 << 8 | 1 << 10 | 1 << 11;
/// The page attribute table, by which `page_entry.rs` chooses bits: write-back, write-combining, uncached unless a range register says
/// otherwise, uncached; twice. After reset, the second value is write-through, which no page uses (Intel SDM vol. 3 §12.12.4).
const PAT: u64 = 0x0007_0106_0007_0106;
/// No breakpoint is on (Intel SDM vol. 3 §18.2.4).
const DR7: u64 = 1 << 10;

const SYSENTER_CS_MSR: u32 = 0x174;
const PAT_MSR: u32 = 0x277;

/// The values of a CPU's registers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CpuRegisters {
    /// CR0.
    pub cr0: u64,
    /// CR4.
    pub cr4: u64,
    /// CR8: the priority below which the APIC holds interrupts back.
    pub cr8: u64,
    /// The extended features.
    pub efer: u64,
    /// The page attribute table.
    pub pat: u64,
    /// The debug control register.
    pub dr7: u64,
    /// The code segment of SYSENTER, which is 0 where SYSENTER is off.
    pub sysenter_cs: u64,
}

impl CpuRegisters {
    /// Reads the running CPU's registers.
    pub fn read() -> Self {
        let (cr8, dr7): (u64, u64);
        // SAFETY: the kernel may read both registers, and reading changes nothing.
        unsafe {
            asm!("mov {}, cr8", "mov {}, dr7", out(reg) cr8, out(reg) dr7, options(nomem, nostack, preserves_flags))
        };
        // SAFETY: every x86-64 CPU has these two registers (Intel SDM vol. 4 §2.1).
        let (pat, sysenter_cs) = unsafe { (Msr::new(PAT_MSR).read(), Msr::new(SYSENTER_CS_MSR).read()) };
        let (cr0, cr4, efer) = (Cr0::read_raw(), Cr4::read_raw(), Efer::read_raw());
        Self { cr0, cr4, cr8, efer, pat, dr7, sysenter_cs }
    }
}

/// Returns the bits of CR4 for what the running CPU may have: machine checks are exceptions (6), and UMIP (11), SMEP (20) and SMAP (21)
/// keep the kernel from using pages of user code, of which it has none (Intel SDM vol. 3 §4.6). With bit 24, the keys of pages count (§4.6.2).
fn cr4_features() -> u64 {
    let bit_if = |bit: u64, has: u32| if has != 0 { 1 << bit } else { 0 };
    let machine_checks = bit_if(6, __cpuid(1).edx & 1 << 7);
    // Leaf 0 says which is the last leaf (Intel SDM vol. 2, CPUID).
    if __cpuid(0).eax < 7 {
        return machine_checks;
    }
    let leaf = __cpuid_count(7, 0);
    machine_checks
        | bit_if(11, leaf.ecx & 1 << 2)
        | bit_if(20, leaf.ebx & 1 << 7)
        | bit_if(21, leaf.ebx & 1 << 20)
        | bit_if(24, leaf.ecx & 1 << 31)
}

/// Sets the running CPU's registers. The other CPUs start with the boot CPU's CR0, CR4 and EFER.
///
/// Each CPU calls this once, before it uses devices or memory that is not cached, with interrupts off.
pub fn init_this_cpu() {
    // SAFETY: the kernel's and the boot loader's page tables have four levels, no process contexts, no protection keys and no global
    // pages that must stay. The kernel's code, data and stacks have the rights that it needs, no page is user code's, and the kernel
    // uses neither FPU nor SYSCALL. EFER first: both its mode bits are set already.
    unsafe {
        Efer::write_raw(EFER);
        if protection::has_keys() {
            Msr::new(PKRS).write(0);
        }
        Cr4::write_raw(CR4 | cr4_features());
        Cr0::write_raw(CR0);
    }
    // SAFETY: with these values the CPU holds no interrupt back by priority, stops at no breakpoint, and has no SYSENTER.
    unsafe {
        asm!("mov cr8, {}", "mov dr7, {}", in(reg) 0_u64, in(reg) DR7, options(nomem, nostack, preserves_flags));
        Msr::new(SYSENTER_CS_MSR).write(0);
    }
    set_page_attributes();
}

/// Sets the page attribute table. Caches and translations are flushed (Intel SDM vol. 3 §12.12.4).
fn set_page_attributes() {
    let mut table = Msr::new(PAT_MSR);
    // SAFETY: every x86-64 CPU has the register. No page of the boot loader or of the kernel has the value that changes. Write-back and
    // invalidation of the caches lose nothing, and the load of CR3 keeps its value.
    unsafe {
        if table.read() == PAT {
            return;
        }
        asm!("wbinvd", options(nostack, preserves_flags));
        table.write(PAT);
        asm!("wbinvd", options(nostack, preserves_flags));
        let (root, flags) = Cr3::read_raw();
        Cr3::write_raw(root, flags);
    }
}
