//! CPUID: what the CPU says about itself (Intel SDM vol. 2, CPUID).
use clock_math::Leaf;
use core::arch::x86_64::__cpuid;

/// The first leaf of the hypervisor's range.
const HYPERVISOR: u32 = 0x4000_0000;

/// Returns a leaf's registers. Returns `None` if neither the CPU nor the hypervisor has the leaf.
pub fn cpuid(leaf: u32) -> Option<Leaf> {
    let first = leaf & 0xffff_0000;
    if first == HYPERVISOR && !has_hypervisor() {
        return None;
    }
    // The first leaf of each range gives the range's last one.
    if leaf > __cpuid(first).eax {
        return None;
    }
    let result = __cpuid(leaf);
    Some(Leaf { eax: result.eax, ebx: result.ebx, ecx: result.ecx, edx: result.edx })
}

/// Returns true if CPUID says that the kernel runs under a hypervisor or an emulator.
pub fn has_hypervisor() -> bool {
    __cpuid(1).ecx & 1 << 31 != 0
}

/// Returns true if the time stamp counter has the same rate in all power states (Intel SDM vol. 3 §18.17.1).
pub fn has_invariant_tsc() -> bool {
    cpuid(0x8000_0007).is_some_and(|leaf| leaf.edx & 1 << 8 != 0)
}

/// Returns the bits of a physical address, at most 52. A page-table entry with a higher one is reserved: its use is a page fault
/// (Intel SDM vol. 3 §4.1.4).
pub fn physical_address_bits() -> u32 {
    let bits = cpuid(0x8000_0008).map_or(36, |leaf| leaf.eax & 0xff);
    bits.clamp(32, 52)
}
