//! The kernel's way to physical memory: RAM is mapped at one fixed distance from its physical addresses.
use ::address_space::layout::PHYSICAL_MEMORY;
use units::PhysAddr;

/// Returns the pointer through which the kernel reaches a physical address. Only RAM is mapped there: the pointer of any other
/// address faults.
#[inline]
pub fn physical_memory(address: PhysAddr) -> *mut u8 {
    core::ptr::with_exposed_provenance_mut((PHYSICAL_MEMORY.0 + address.0) as usize)
}
