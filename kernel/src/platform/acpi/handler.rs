//! The kernel's side of the crate `acpi`: memory to read.
use super::TableMemory;
use acpi::{Handler, PciAddress, RawPhysicalMapping};
use acpi_tables::{MAX_TABLE_SIZE, PhysicalMemory};
use core::ptr::NonNull;
use units::PhysAddr;

/// Memory for the crate. It returns zeros for memory that may not be read.
#[derive(Clone, Copy)]
pub struct Reader<'a>(pub TableMemory<'a>);

/// Stands for memory that may not be read. A table's header, the only structure that the crate reads here, has 36 bytes.
static ZEROS: [u8; 64] = [0; 64];

/// Implements functions of [`Handler`] that only the crate's interpreter of AML calls, which is not built.
macro_rules! unused {
    ($(fn $name:ident($($argument:ty),*) $(-> $result:ty)?;)*) => {$(
        fn $name(&self, $(_: $argument),*) $(-> $result)? {
            Default::default()
        }
    )*};
}

impl Handler for Reader<'_> {
    unsafe fn map_physical_region<T>(&self, address: usize, size: usize) -> RawPhysicalMapping<T> {
        const { assert!(size_of::<T>() <= ZEROS.len() && align_of::<T>() == 1) };
        let wanted = size.max(size_of::<T>()).min(MAX_TABLE_SIZE);
        let readable = self.0.bytes(PhysAddr(address as u64), wanted);
        let bytes = if readable.len() >= size_of::<T>() { readable } else { &ZEROS };
        let (start, length) = (NonNull::from(bytes).cast(), bytes.len());
        // SAFETY: `length` bytes are readable at `start`. A `T` fits there, and has no alignment. The crate only reads.
        unsafe { RawPhysicalMapping::new(address, start, length, length) }
    }

    unsafe fn unmap_physical_region<T>(&self, _: RawPhysicalMapping<T>) {}

    unused! {
        fn read_u8(usize) -> u8;
        fn read_u16(usize) -> u16;
        fn read_u32(usize) -> u32;
        fn read_u64(usize) -> u64;
        fn write_u8(usize, u8);
        fn write_u16(usize, u16);
        fn write_u32(usize, u32);
        fn write_u64(usize, u64);
        fn read_io_u8(u16) -> u8;
        fn read_io_u16(u16) -> u16;
        fn read_io_u32(u16) -> u32;
        fn write_io_u8(u16, u8);
        fn write_io_u16(u16, u16);
        fn write_io_u32(u16, u32);
        fn read_pci_u8(PciAddress, u16) -> u8;
        fn read_pci_u16(PciAddress, u16) -> u16;
        fn read_pci_u32(PciAddress, u16) -> u32;
        fn write_pci_u8(PciAddress, u16, u8);
        fn write_pci_u16(PciAddress, u16, u16);
        fn write_pci_u32(PciAddress, u16, u32);
        fn nanos_since_boot() -> u64;
        fn stall(u64);
        fn sleep(u64);
    }
}
