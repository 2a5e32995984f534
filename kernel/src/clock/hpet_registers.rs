//! The registers of the HPET (IA-PC HPET 1.0a §2.3).
use crate::memory::device_memory;
use core::ptr::NonNull;
use units::{PhysAddr, PhysRange};

/// Bytes of registers.
pub const SIZE: usize = 1024;

/// The registers, [`SIZE`] bytes that are mapped for good.
pub struct Registers(NonNull<u32>);

// SAFETY: every access is one aligned access of 32 bits to a device, which CPUs may make at once.
unsafe impl Send for Registers {}
// SAFETY: as for `Send`: CPUs may access the device at once, each with one aligned access of 32 bits.
unsafe impl Sync for Registers {}

impl Registers {
    /// Maps the registers. Returns `None` if they cannot be at this address.
    pub fn map(address: PhysAddr) -> Option<Self> {
        let size = SIZE as u64;
        let end = address.0.checked_add(size).filter(|_| address.0.is_multiple_of(size))?;
        let start = device_memory::map_device(PhysRange::new(address.0, end))?;
        NonNull::new(core::ptr::with_exposed_provenance_mut(start.0 as usize)).map(Self)
    }

    /// Reads a register.
    pub fn read(&self, offset: usize) -> u32 {
        // SAFETY: `at` is inside of the registers, which `map` has mapped. Reading them changes nothing.
        unsafe { self.at(offset).read_volatile() }
    }

    /// Writes a register.
    pub fn write(&self, offset: usize, value: u32) {
        // SAFETY: `at` is inside of the registers, which `map` has mapped. What `hpet` writes lets the counter count. What `comparator` writes
        // raises interrupts where its caller says. Neither touches memory.
        unsafe { self.at(offset).write_volatile(value) };
    }

    fn at(&self, offset: usize) -> NonNull<u32> {
        let is_inside = offset < SIZE && offset.is_multiple_of(size_of::<u32>());
        assert!(is_inside, "no register of the HPET has the offset {offset:#x}");
        // SAFETY: the check shows that the result is inside of the registers.
        unsafe { self.0.byte_add(offset) }
    }
}
