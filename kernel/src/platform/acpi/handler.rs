//! What the crate `acpi` wants of a kernel: memory to read.
use super::TableMemory;
use acpi::{Handler, PciAddress, RawPhysicalMapping};
use acpi_tables::{MAX_TABLE_SIZE, PhysicalMemory};
use core::ptr::NonNull;
use units::PhysAddr;

/// Memory for the crate. What it may not read it sees as zeros.
#[derive(Clone, Copy)]
pub struct Reader<'a>(pub TableMemory<'a>);

/// What stands for memory that may not be read; larger than any structure the crate asks for here, the RSDP being the
/// largest with 36 bytes.
static ZEROS: [u8; 64] = [0; 64];

impl Handler for Reader<'_> {
    unsafe fn map_physical_region<T>(&self, address: usize, size: usize) -> RawPhysicalMapping<T> {
        const { assert!(size_of::<T>() <= ZEROS.len() && align_of::<T>() == 1) };
        let wanted = size.max(size_of::<T>()).min(MAX_TABLE_SIZE);
        let readable = self.0.bytes(PhysAddr(address as u64), wanted);
        let bytes = if readable.len() >= size_of::<T>() { readable } else { &ZEROS };
        let (start, length) = (NonNull::from(bytes).cast(), bytes.len());
        // SAFETY: `length` bytes are readable at `start`, at least a `T`, which has no alignment; the crate only reads.
        unsafe { RawPhysicalMapping::new(address, start, length, length) }
    }

    unsafe fn unmap_physical_region<T>(&self, _: RawPhysicalMapping<T>) {}

    // The rest is for the crate's interpreter of AML, which is not built.
    fn read_u8(&self, _: usize) -> u8 {
        0
    }
    fn read_u16(&self, _: usize) -> u16 {
        0
    }
    fn read_u32(&self, _: usize) -> u32 {
        0
    }
    fn read_u64(&self, _: usize) -> u64 {
        0
    }
    fn write_u8(&self, _: usize, _: u8) {}
    fn write_u16(&self, _: usize, _: u16) {}
    fn write_u32(&self, _: usize, _: u32) {}
    fn write_u64(&self, _: usize, _: u64) {}
    fn read_io_u8(&self, _: u16) -> u8 {
        0
    }
    fn read_io_u16(&self, _: u16) -> u16 {
        0
    }
    fn read_io_u32(&self, _: u16) -> u32 {
        0
    }
    fn write_io_u8(&self, _: u16, _: u8) {}
    fn write_io_u16(&self, _: u16, _: u16) {}
    fn write_io_u32(&self, _: u16, _: u32) {}
    fn read_pci_u8(&self, _: PciAddress, _: u16) -> u8 {
        0
    }
    fn read_pci_u16(&self, _: PciAddress, _: u16) -> u16 {
        0
    }
    fn read_pci_u32(&self, _: PciAddress, _: u16) -> u32 {
        0
    }
    fn write_pci_u8(&self, _: PciAddress, _: u16, _: u8) {}
    fn write_pci_u16(&self, _: PciAddress, _: u16, _: u16) {}
    fn write_pci_u32(&self, _: PciAddress, _: u16, _: u32) {}
    fn nanos_since_boot(&self) -> u64 {
        0
    }
    fn stall(&self, _: u64) {}
    fn sleep(&self, _: u64) {}
}
