//! Follows the root pointer (RSDP) to the XSDT or RSDT, and from there to each table (ACPI 6.5 §5.2.5 to §5.2.8).
//!
//! The caller's closure returns the bytes at an address. Therefore the kernel, a fuzzer and a test run the same code.
use units::PhysAddr;
use zerocopy::FromBytes;

use crate::checksum::{checked, sum_of};
use crate::wire::{ExtendedRsdp, Rsdp, SdtHeader};
use crate::{Finding, Findings, RootFault, Signature};

/// The highest number of tables that are read. Machines have some dozens.
pub const MAX_TABLES: usize = 256;

/// The highest number of bytes that are read of a table.
///
/// The longest known tables are DSDTs of about 500 KiB, which contain no locality information.
pub const MAX_TABLE_SIZE: usize = 1 << 20;

// Offsets of the root pointer's fields, for findings.
const CHECKSUM_OFFSET: u32 = 8;
const REVISION_OFFSET: u32 = 15;
const RSDT_OFFSET: u32 = 16;
const LENGTH_OFFSET: u32 = 20;
const XSDT_OFFSET: u32 = 24;
const EXTENDED_CHECKSUM_OFFSET: u32 = 32;

/// Readable physical memory. Every closure with the signature of [`PhysicalMemory::bytes`] implements it.
pub trait PhysicalMemory<'a> {
    /// Returns up to `length` bytes at `address`: those before the first byte that cannot be read.
    fn bytes(&self, address: PhysAddr, length: usize) -> &'a [u8];
}

impl<'a, F: Fn(PhysAddr, usize) -> &'a [u8]> PhysicalMemory<'a> for F {
    fn bytes(&self, address: PhysAddr, length: usize) -> &'a [u8] {
        self(address, length)
    }
}

/// Calls `take` with the bytes of each table that the root pointer at `rsdp` leads to, up to [`MAX_TABLES`] tables.
///
/// This is [`RootTable::find`], then [`RootTable::read_tables`] with [`RootTable::entries`].
pub fn read_tables<'a>(
    rsdp: PhysAddr,
    memory: &dyn PhysicalMemory<'a>,
    findings: &mut dyn Findings,
    take: &mut dyn FnMut(&'a [u8]),
) {
    if let Some(root) = RootTable::find(rsdp, memory, findings) {
        root.read_tables(root.entries(), memory, findings, take);
    }
}

/// The addresses of the root tables. 0 means that there is no table, `None` that the pointer has no such field.
struct Pointer {
    rsdt: u64,
    xsdt: Option<u64>,
}

/// Reads the root pointer, or returns `None` if it is unusable.
fn read_pointer(
    address: PhysAddr,
    memory: &dyn PhysicalMemory<'_>,
    findings: &mut dyn Findings,
) -> Option<Pointer> {
    let mut fault = |offset, fault| report(Signature::RSDP, offset, fault, findings);
    let bytes = memory.bytes(address, size_of::<ExtendedRsdp>());
    let Ok((pointer, _)) = Rsdp::ref_from_prefix(bytes) else {
        fault(0, RootFault::PointerOutside { address: address.0 });
        return None;
    };
    if pointer.signature != Rsdp::SIGNATURE {
        fault(0, RootFault::PointerSignature);
        return None;
    }
    let sum = sum_of(bytes.get(..size_of::<Rsdp>()).unwrap_or_default());
    if sum != 0 {
        fault(CHECKSUM_OFFSET, RootFault::PointerChecksum { bytes: size_of::<Rsdp>() as u32, sum });
    }
    let revision = pointer.revision;
    if revision == 1 {
        fault(REVISION_OFFSET, RootFault::PointerRevision { revision });
    }
    let rsdt = pointer.rsdt_address.get().into();
    let xsdt = if revision < 2 { None } else { read_extension(address, bytes, memory, findings) };
    Some(Pointer { rsdt, xsdt })
}

/// Returns the XSDT's address from a pointer of revision 2 or later, or `None` if the pointer is too short for it.
fn read_extension(
    address: PhysAddr,
    bytes: &[u8],
    memory: &dyn PhysicalMemory<'_>,
    findings: &mut dyn Findings,
) -> Option<u64> {
    let mut fault = |offset, fault| report(Signature::RSDP, offset, fault, findings);
    let extended = ExtendedRsdp::ref_from_prefix(bytes).ok().map(|(extended, _)| extended);
    let length = bytes.get(20..24).and_then(|length| length.try_into().ok()).map_or(0, u32::from_le_bytes);
    let mapped = memory.bytes(address, MAX_TABLE_SIZE.min(length as usize)).len();
    let (Some(extended), true) = (extended, mapped >= size_of::<ExtendedRsdp>()) else {
        let mapped = mapped.min(bytes.len()) as u32;
        fault(LENGTH_OFFSET, RootFault::PointerLength { length, mapped });
        return None;
    };
    if mapped < length as usize {
        fault(LENGTH_OFFSET, RootFault::PointerLength { length, mapped: mapped as u32 });
    } else {
        let sum = sum_of(memory.bytes(address, mapped));
        if sum != 0 {
            fault(EXTENDED_CHECKSUM_OFFSET, RootFault::PointerChecksum { bytes: length, sum });
        }
    }
    Some(extended.xsdt_address.get())
}

/// An XSDT or RSDT: the table that lists the others. The root pointer leads to it, and its bytes were checked.
pub struct RootTable<'a> {
    signature: Signature,
    address: PhysAddr,
    bytes: &'a [u8],
}

impl<'a> RootTable<'a> {
    /// Follows the root pointer at `rsdp` to the XSDT or, if that is unusable, to the RSDT. Returns `None` if neither can be
    /// used.
    pub fn find(
        rsdp: PhysAddr,
        memory: &dyn PhysicalMemory<'a>,
        findings: &mut dyn Findings,
    ) -> Option<Self> {
        let pointer = read_pointer(rsdp, memory, findings)?;
        // If both tables exist, the XSDT lists the same tables as the RSDT (§5.2.8).
        let root = pointer
            .xsdt
            .and_then(|address| Self::read(Signature::XSDT, XSDT_OFFSET, address, memory, findings))
            .or_else(|| Self::read(Signature::RSDT, RSDT_OFFSET, pointer.rsdt, memory, findings));
        if root.is_none() {
            report(Signature::RSDP, 0, RootFault::NoTable, findings);
        }
        root
    }

    /// Returns the address of the root table itself.
    pub fn address(&self) -> PhysAddr {
        self.address
    }

    /// Returns the bytes of each entry: 8 in an XSDT, 4 in an RSDT.
    pub fn entry_size(&self) -> usize {
        if self.signature == Signature::XSDT { 8 } else { 4 }
    }

    /// Returns the entries: the addresses of the other tables. A part of an entry at the end is left out.
    pub fn entries(&self) -> impl Iterator<Item = u64> + use<'a> {
        self.entry_bytes().chunks_exact(self.entry_size()).map(|entry| {
            let mut wide = [0; 8];
            wide[..entry.len()].copy_from_slice(entry);
            u64::from_le_bytes(wide)
        })
    }

    fn entry_bytes(&self) -> &'a [u8] {
        self.bytes.get(size_of::<SdtHeader>()..).unwrap_or_default()
    }

    /// Reads the root table at `address`, or returns `None` if there is no such table. `offset` is the offset of the
    /// address in the root pointer.
    fn read(
        signature: Signature,
        offset: u32,
        address: u64,
        memory: &dyn PhysicalMemory<'a>,
        findings: &mut dyn Findings,
    ) -> Option<Self> {
        let mut fault = |fault| report(Signature::RSDP, offset, fault, findings);
        if address == 0 {
            fault(RootFault::TableNull { table: signature });
            return None;
        }
        let Some(bytes) = read_table(PhysAddr(address), memory) else {
            fault(RootFault::TableOutside { table: signature, address });
            return None;
        };
        let found = bytes.first_chunk().map_or(signature, |&found| Signature(found));
        if found != signature {
            fault(RootFault::TableSignature { table: signature, found });
            return None;
        }
        let bytes = checked(bytes, signature, size_of::<SdtHeader>(), findings)?;
        Some(Self { signature, address: PhysAddr(address), bytes })
    }

    /// Calls `take` with the bytes of each table that `entries` lists, up to [`MAX_TABLES`] tables. `entries` are this root
    /// table's, as [`RootTable::entries`] or another reader of the table returns them.
    ///
    /// The bytes contain at least the table's header. They end where the header says, or where readable memory ends.
    pub fn read_tables(
        &self,
        entries: impl Iterator<Item = u64>,
        memory: &dyn PhysicalMemory<'a>,
        findings: &mut dyn Findings,
        take: &mut dyn FnMut(&'a [u8]),
    ) {
        let (header, size) = (size_of::<SdtHeader>(), self.entry_size());
        let (mut taken, mut null, mut first_null) = (0, 0, 0);
        let mut tail = self.entry_bytes().len() % size;
        for (index, address) in entries.enumerate() {
            let offset = (header + index * size) as u32;
            let mut fault = |fault| report(self.signature, offset, fault, findings);
            if address == 0 {
                first_null = if null == 0 { offset } else { first_null };
                null += 1;
                continue;
            }
            if taken == MAX_TABLES {
                fault(RootFault::TooMany { limit: MAX_TABLES });
                tail = 0;
                break;
            }
            match read_table(PhysAddr(address), memory) {
                Some(table) => {
                    take(table);
                    taken += 1;
                }
                None => fault(RootFault::EntryOutside { address }),
            }
        }
        if tail > 0 {
            let offset = (self.bytes.len() - tail) as u32;
            report(self.signature, offset, RootFault::Tail { bytes: tail as u32 }, findings);
        }
        if null > 0 {
            report(self.signature, first_null, RootFault::EntriesNull { count: null }, findings);
        }
    }
}

/// Returns the bytes of the table at `address`, or `None` if its header cannot be read.
///
/// The bytes end where the header says, where readable memory ends, or at [`MAX_TABLE_SIZE`].
pub fn read_table<'a>(address: PhysAddr, memory: &dyn PhysicalMemory<'a>) -> Option<&'a [u8]> {
    let header = memory.bytes(address, size_of::<SdtHeader>());
    let length = SdtHeader::ref_from_bytes(header).ok()?.length.get() as usize;
    // `checked` reports a length that is shorter than the header. It needs the header's bytes to do so.
    Some(memory.bytes(address, length.clamp(size_of::<SdtHeader>(), MAX_TABLE_SIZE)))
}

fn report(table: Signature, offset: u32, fault: RootFault, findings: &mut dyn Findings) {
    findings.report(Finding::new(table, offset, fault));
}
