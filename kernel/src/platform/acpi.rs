//! Finding ACPI's tables, by the `acpi` crate: from the RSDP over the XSDT or RSDT to each table's address.
//!
//! The crate is asked for addresses only. What the tables hold is read by `acpi-tables`, from the bytes given out here,
//! which never reach past what the memory map knows.
use crate::arch;
use acpi::{AcpiTables, Handler, PciAddress, RawPhysicalMapping};
use acpi_tables::wire::SdtHeader;
use arrayvec::ArrayVec;
use core::mem::size_of;
use core::ptr::NonNull;
use units::{PhysAddr, PhysRange};

/// The most tables that are looked at; machines have some dozens. Also bounds the walk over a root table that lies about
/// its length.
const MAX_TABLES: usize = 256;
/// The longest table that is read. The longest known are DSDTs of some 500 KiB, which the kernel does not read.
const MAX_TABLE_SIZE: usize = 1 << 20;

const FIRST_MIB: PhysRange = PhysRange::new(0, 1 << 20);

/// The tables that firmware lists.
pub type Tables = ArrayVec<&'static [u8], MAX_TABLES>;

/// Where firmware may have put tables.
#[derive(Clone, Copy)]
pub struct Memory<'a> {
    /// What the memory map knows of, whoever it belongs to.
    pub known: &'a [PhysRange],
}

impl Memory<'_> {
    /// How many of `length` bytes from `address` on are memory that may be read.
    fn readable(self, address: u64, length: usize) -> usize {
        let mut end = address;
        let wanted_end = address.saturating_add(length as u64);
        // Regions that touch may hold a table together; each pass either moves on or ends.
        while end < wanted_end {
            // A PC's firmware may keep tables in the first MiB without its map saying so.
            let mut readable = self.known.iter().copied().chain([FIRST_MIB]);
            match readable.find(|range| range.contains(PhysAddr(end))) {
                Some(range) => end = range.end.0.min(wanted_end),
                None => break,
            }
        }
        (end - address) as usize
    }
}

/// All tables that firmware lists, each as long as its header says and memory reaches. What cannot be reached is left out
/// with a warning.
pub fn find_tables(rsdp: Option<u64>, memory: Memory<'_>) -> Tables {
    let mut tables = Tables::new();
    let Some(rsdp) = rsdp else {
        log::warn!(target: "acpi", "firmware has no ACPI tables");
        return tables;
    };
    // SAFETY: the handler gives the crate memory to read wherever the address leads.
    let root = match unsafe { AcpiTables::from_rsdp(Reader { memory }, rsdp as usize) } {
        Ok(root) => root,
        Err(error) => {
            log::warn!(target: "acpi", "no table is used: the root pointer at {rsdp:#x} is wrong: {error:?}");
            return tables;
        }
    };
    for address in root.table_entries() {
        if tables.is_full() {
            log::warn!(target: "acpi", "firmware lists more than {MAX_TABLES} tables; the rest is not looked at");
            break;
        }
        match table_at(address as u64, memory) {
            Some(table) => tables.push(table),
            None => log::warn!(target: "acpi", "there is no table at {address:#x}, which firmware lists"),
        }
    }
    tables
}

fn table_at(address: u64, memory: Memory<'_>) -> Option<&'static [u8]> {
    let header = bytes_at(address, size_of::<SdtHeader>(), memory)?;
    let length = u32::from_le_bytes(header.get(4..8)?.try_into().ok()?) as usize;
    // A length below the header's own is for `acpi-tables` to complain of, in the bytes of the header.
    let length = length.clamp(size_of::<SdtHeader>(), MAX_TABLE_SIZE);
    let readable = memory.readable(address, length);
    bytes_at(address, readable, memory)
}

fn bytes_at(address: u64, length: usize, memory: Memory<'_>) -> Option<&'static [u8]> {
    if address == 0 || memory.readable(address, length) < length {
        return None;
    }
    // SAFETY: all of it is memory, which is mapped; firmware's tables are not written by anyone.
    Some(unsafe { core::slice::from_raw_parts(arch::physical_memory(PhysAddr(address)), length) })
}

/// Memory for the `acpi` crate. What it may not read it sees as zeros.
#[derive(Clone, Copy)]
struct Reader<'a> {
    memory: Memory<'a>,
}

/// What stands for memory that may not be read; larger than any structure the crate asks for here, the RSDP being the
/// largest with 36 bytes.
static ZEROS: [u8; 64] = [0; 64];

impl Handler for Reader<'_> {
    unsafe fn map_physical_region<T>(&self, address: usize, size: usize) -> RawPhysicalMapping<T> {
        const { assert!(size_of::<T>() <= ZEROS.len() && align_of::<T>() == 1) };
        let wanted = size.max(size_of::<T>()).min(MAX_TABLE_SIZE);
        let readable = if address == 0 { 0 } else { self.memory.readable(address as u64, wanted) };
        let (start, length) = if readable >= size_of::<T>() {
            (arch::physical_memory(PhysAddr(address as u64)).cast_const(), readable)
        } else {
            (ZEROS.as_ptr(), size_of::<T>())
        };
        let start = NonNull::new(start.cast_mut().cast()).unwrap_or(NonNull::dangling());
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
