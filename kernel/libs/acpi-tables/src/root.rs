//! From the root pointer to the tables: RSDP, then XSDT or RSDT, then each table's bytes (ACPI 6.5 §5.2.5 to §5.2.8).
//!
//! Memory is the caller's: a closure gives the bytes at an address, as many as may be read. So the kernel, a fuzzer and
//! a test all take the same way.
use units::PhysAddr;
use zerocopy::FromBytes;

use crate::find::{checked, sum_of};
use crate::wire::{ExtendedRsdp, Rsdp, SdtHeader};
use crate::{Finding, Findings, RootFault, Signature, What};

/// The most tables that are looked at; machines have some dozens.
pub const MAX_TABLES: usize = 256;

/// The longest table that is read. The longest known are DSDTs of some 500 KiB, in which nothing of locality is.
pub const MAX_TABLE_SIZE: usize = 1 << 20;

/// Offsets in the root pointer of what findings are about.
const CHECKSUM_OFFSET: u32 = 8;
const REVISION_OFFSET: u32 = 15;
const RSDT_OFFSET: u32 = 16;
const LENGTH_OFFSET: u32 = 20;
const XSDT_OFFSET: u32 = 24;
const EXTENDED_CHECKSUM_OFFSET: u32 = 32;

/// Physical memory as its owner lets it be read; any closure that does what [`PhysicalMemory::bytes`] does.
pub trait PhysicalMemory<'a> {
    /// The bytes from `address` on, `length` of them, or as many as may be read without a gap: perhaps none.
    fn bytes(&self, address: PhysAddr, length: usize) -> &'a [u8];
}

impl<'a, F: Fn(PhysAddr, usize) -> &'a [u8]> PhysicalMemory<'a> for F {
    fn bytes(&self, address: PhysAddr, length: usize) -> &'a [u8] {
        self(address, length)
    }
}

/// Gives `take` the bytes of each table that the root pointer at `rsdp` leads to: as many as the table's header says
/// and memory has, and the header's at least. At most [`MAX_TABLES`].
pub fn read_tables<'a>(
    rsdp: PhysAddr,
    memory: &dyn PhysicalMemory<'a>,
    findings: &mut dyn Findings,
    take: &mut dyn FnMut(&'a [u8]),
) {
    let Some(pointer) = read_pointer(rsdp, memory, findings) else { return };
    // The RSDT is an older machine's; where both are there, the XSDT has what the RSDT has (§5.2.8).
    let root = pointer
        .xsdt
        .and_then(|address| RootTable::read(Signature::XSDT, XSDT_OFFSET, address, memory, findings))
        .or_else(|| RootTable::read(Signature::RSDT, RSDT_OFFSET, pointer.rsdt, memory, findings));
    match root {
        Some(root) => root.read_tables(memory, findings, take),
        None => report(Signature::RSDP, 0, RootFault::NoTable, findings),
    }
}

/// The root tables' addresses; 0 where there is none, `None` where the pointer's revision has no such field.
struct Pointer {
    rsdt: u64,
    xsdt: Option<u64>,
}

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

/// The XSDT's address in a pointer of revision 2 or later; `None` where the pointer is too short to have it.
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

/// An XSDT or RSDT.
struct RootTable<'a> {
    signature: Signature,
    bytes: &'a [u8],
}

impl<'a> RootTable<'a> {
    /// The root table at this address, which the pointer has at `offset`; `None` where there is none to be read.
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
        Some(Self { signature, bytes })
    }

    fn read_tables(
        &self,
        memory: &dyn PhysicalMemory<'a>,
        findings: &mut dyn Findings,
        take: &mut dyn FnMut(&'a [u8]),
    ) {
        let size = if self.signature == Signature::XSDT { 8 } else { 4 };
        let header = size_of::<SdtHeader>();
        let addresses = self.bytes.get(header..).unwrap_or_default().chunks(size);
        let (mut taken, mut null, mut first_null) = (0, 0, 0);
        for (index, chunk) in addresses.enumerate() {
            let offset = (header + index * size) as u32;
            let mut fault = |offset, fault| report(self.signature, offset, fault, findings);
            let mut wide = [0; 8];
            if chunk.len() < size {
                fault(offset, RootFault::Tail { bytes: chunk.len() as u32 });
                break;
            }
            wide[..size].copy_from_slice(chunk);
            let address = u64::from_le_bytes(wide);
            if address == 0 {
                first_null = if null == 0 { offset } else { first_null };
                null += 1;
                continue;
            }
            if taken == MAX_TABLES {
                fault(offset, RootFault::TooMany { limit: MAX_TABLES });
                break;
            }
            match read_table(PhysAddr(address), memory) {
                Some(table) => {
                    take(table);
                    taken += 1;
                }
                None => fault(offset, RootFault::EntryOutside { address }),
            }
        }
        if null > 0 {
            report(self.signature, first_null, RootFault::EntriesNull { count: null }, findings);
        }
    }
}

/// As many of the bytes of the table at this address as its header says and memory has; `None` where not even the header
/// is in memory.
pub fn read_table<'a>(address: PhysAddr, memory: &dyn PhysicalMemory<'a>) -> Option<&'a [u8]> {
    let header = memory.bytes(address, size_of::<SdtHeader>());
    let length = SdtHeader::ref_from_bytes(header).ok()?.length.get() as usize;
    // A length below the header's own is for whoever reads the table to complain of, in the bytes of the header.
    Some(memory.bytes(address, length.clamp(size_of::<SdtHeader>(), MAX_TABLE_SIZE)))
}

fn report(table: Signature, offset: u32, fault: RootFault, findings: &mut dyn Findings) {
    findings.report(Finding::new(table, offset, What::Root(fault)));
}
