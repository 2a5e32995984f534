//! SRAT: the proximity domains of CPUs, memory and devices (ACPI 6.5 §5.2.16).
use core::iter;

use units::{ApicId, ProximityDomain};
use zerocopy::FromBytes;

use crate::entry::{Entries, Entry};
use crate::wire::{
    SratGenericAffinity, SratHeader, SratMemoryAffinity, SratProcessorAffinity, SratX2ApicAffinity,
    srat_entry_type,
};
use crate::{DeviceHandle, EntryFault, Findings, Signature, SratFault};

/// A readable SRAT, returned by [`find_srat`](crate::find_srat).
#[derive(Clone, Copy, Debug)]
pub struct Srat<'a> {
    bytes: &'a [u8],
    revision: u8,
}

/// One entry of an SRAT.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SratEntry {
    /// Type 0 or 2: a CPU.
    Cpu(SratCpu),
    /// Type 1: a memory range.
    Memory(SratMemory),
    /// Type 5: a device that reads and writes memory by itself.
    GenericInitiator(SratDevice),
    /// Type 6: a port behind which such a device may be found, such as a CXL host bridge.
    GenericPort(SratDevice),
    /// Types 3, 4 and 7, which Arm and RISC-V machines use (see [`srat_entry_type`]), and unknown types.
    Other {
        /// The entry's type.
        kind: u8,
        /// Bytes from the table's start.
        offset: u32,
    },
}

impl SratEntry {
    /// Returns true for an enabled CPU and for enabled memory that is not empty.
    pub(crate) const fn lists_something(&self) -> bool {
        match self {
            Self::Cpu(cpu) => cpu.enabled,
            Self::Memory(memory) => memory.enabled && memory.length > 0,
            _ => false,
        }
    }
}

/// A CPU's proximity domain (ACPI 6.5 §5.2.16.1 and §5.2.16.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SratCpu {
    /// The id of the CPU's local APIC.
    pub apic_id: ApicId,
    /// The proximity domain.
    pub domain: ProximityDomain,
    /// True if the entry is in use. Other entries must be ignored.
    pub enabled: bool,
    /// Bytes from the table's start to the entry.
    pub offset: u32,
}

/// A memory range's proximity domain as firmware wrote it (ACPI 6.5 §5.2.16.2). Base and length may be any numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SratMemory {
    /// The first byte's physical address.
    pub base: u64,
    /// Bytes in the range.
    pub length: u64,
    /// The proximity domain.
    pub domain: ProximityDomain,
    /// True if the entry is in use. Other entries must be ignored.
    pub enabled: bool,
    /// True if memory may be added and removed here. The range may contain no memory now.
    pub hot_pluggable: bool,
    /// True for persistent memory, which the kernel does not use as RAM.
    pub non_volatile: bool,
    /// Bytes from the table's start to the entry.
    pub offset: u32,
}

/// A device's proximity domain (ACPI 6.5 §5.2.16.6 and §5.2.16.7).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SratDevice {
    /// The device, or `None` if the kind of handle is unknown.
    pub handle: Option<DeviceHandle>,
    /// The proximity domain.
    pub domain: ProximityDomain,
    /// True if the entry is in use. Other entries must be ignored.
    pub enabled: bool,
    /// True if the device supports all architectural transactions, such as atomic accesses.
    pub architectural_transactions: bool,
    /// Bytes from the table's start to the entry.
    pub offset: u32,
}

impl<'a> Srat<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Option<Self> {
        let (header, _) = SratHeader::ref_from_prefix(bytes).ok()?;
        Some(Self { bytes, revision: header.header.revision })
    }

    /// Returns the table's revision. In revision 1, types 0 and 1 have 8-bit domains; in later ones, 32-bit domains.
    #[must_use]
    pub const fn revision(&self) -> u8 {
        self.revision
    }

    /// Iterates over the entries in the table's order, and reports faults on the way.
    pub fn entries(&self, findings: &mut dyn Findings) -> impl Iterator<Item = SratEntry> {
        let mut reader = self.reader();
        iter::from_fn(move || reader.next(findings))
    }

    /// Returns a reader of the entries, for a caller that reports findings of its own between them.
    #[must_use]
    pub fn reader(&self) -> SratReader<'a> {
        let entries = Entries::new(Signature::SRAT, self.bytes, size_of::<SratHeader>(), fixed_size);
        SratReader { entries, narrow_domains: self.revision < 2 }
    }
}

/// Returns the specified size of an entry.
const fn fixed_size(kind: u16) -> Option<usize> {
    Some(match kind as u8 {
        srat_entry_type::PROCESSOR_LOCAL_APIC_AFFINITY => size_of::<SratProcessorAffinity>(),
        srat_entry_type::MEMORY_AFFINITY => size_of::<SratMemoryAffinity>(),
        srat_entry_type::PROCESSOR_X2APIC_AFFINITY => size_of::<SratX2ApicAffinity>(),
        srat_entry_type::GICC_AFFINITY => 18,
        srat_entry_type::GIC_ITS_AFFINITY => 12,
        srat_entry_type::GENERIC_INITIATOR_AFFINITY | srat_entry_type::GENERIC_PORT_AFFINITY => {
            size_of::<SratGenericAffinity>()
        }
        srat_entry_type::RINTC_AFFINITY => 20,
        _ => return None,
    })
}

/// A reader of an SRAT's entries, returned by [`Srat::reader`].
#[derive(Clone, Debug)]
pub struct SratReader<'a> {
    entries: Entries<'a>,
    narrow_domains: bool,
}

impl SratReader<'_> {
    /// Returns the next readable entry, or `None` at the table's end.
    pub fn next(&mut self, findings: &mut dyn Findings) -> Option<SratEntry> {
        while let Some(entry) = self.entries.next(findings) {
            let value = match entry.kind_byte() {
                srat_entry_type::PROCESSOR_LOCAL_APIC_AFFINITY => self.local_apic(entry, findings),
                srat_entry_type::MEMORY_AFFINITY => self.memory(entry, findings),
                srat_entry_type::PROCESSOR_X2APIC_AFFINITY => x2apic(entry, findings),
                srat_entry_type::GENERIC_INITIATOR_AFFINITY => {
                    device(entry, findings).map(SratEntry::GenericInitiator)
                }
                srat_entry_type::GENERIC_PORT_AFFINITY => device(entry, findings).map(SratEntry::GenericPort),
                kind => Some(other(kind, entry, findings)),
            };
            if value.is_some() {
                return value;
            }
        }
        None
    }

    fn local_apic(&self, entry: Entry<'_>, findings: &mut dyn Findings) -> Option<SratEntry> {
        let cpu: &SratProcessorAffinity = entry.read(findings)?;
        let [a, b, c] = cpu.proximity_domain_hi;
        let enabled = cpu.flags.get() & SratProcessorAffinity::ENABLED != 0;
        let domain = u32::from_le_bytes([cpu.proximity_domain_lo, a, b, c]);
        Some(SratEntry::Cpu(SratCpu {
            apic_id: ApicId(cpu.apic_id.into()),
            domain: self.domain(domain, enabled, entry, findings),
            enabled,
            offset: entry.offset,
        }))
    }

    fn memory(&self, entry: Entry<'_>, findings: &mut dyn Findings) -> Option<SratEntry> {
        let memory: &SratMemoryAffinity = entry.read(findings)?;
        let has = |flag| memory.flags.get() & flag != 0;
        let enabled = has(SratMemoryAffinity::ENABLED);
        Some(SratEntry::Memory(SratMemory {
            base: memory.base_address.get(),
            length: memory.range_length.get(),
            domain: self.domain(memory.proximity_domain.get(), enabled, entry, findings),
            enabled,
            hot_pluggable: has(SratMemoryAffinity::HOT_PLUGGABLE),
            non_volatile: has(SratMemoryAffinity::NON_VOLATILE),
            offset: entry.offset,
        }))
    }

    /// Returns the domain that `written` means: before revision 2, bits 8 to 31 are reserved.
    fn domain(
        &self,
        written: u32,
        enabled: bool,
        entry: Entry<'_>,
        findings: &mut dyn Findings,
    ) -> ProximityDomain {
        if !self.narrow_domains || written <= 0xff {
            return ProximityDomain(written);
        }
        let used = ProximityDomain(written & 0xff);
        if enabled {
            entry.report(SratFault::DomainWide { written: ProximityDomain(written), used }, findings);
        }
        used
    }
}

fn x2apic(entry: Entry<'_>, findings: &mut dyn Findings) -> Option<SratEntry> {
    let cpu: &SratX2ApicAffinity = entry.read(findings)?;
    Some(SratEntry::Cpu(SratCpu {
        apic_id: ApicId(cpu.x2apic_id.get()),
        domain: ProximityDomain(cpu.proximity_domain.get()),
        enabled: cpu.flags.get() & SratProcessorAffinity::ENABLED != 0,
        offset: entry.offset,
    }))
}

fn device(entry: Entry<'_>, findings: &mut dyn Findings) -> Option<SratDevice> {
    let device: &SratGenericAffinity = entry.read(findings)?;
    let has = |flag| device.flags.get() & flag != 0;
    let enabled = has(SratGenericAffinity::ENABLED);
    let handle = DeviceHandle::read(device.device_handle_type, device.device_handle);
    if handle.is_none() && enabled {
        entry.report(SratFault::DeviceHandle { kind: device.device_handle_type }, findings);
    }
    Some(SratDevice {
        handle,
        domain: ProximityDomain(device.proximity_domain.get()),
        enabled,
        architectural_transactions: has(SratGenericAffinity::ARCHITECTURAL_TRANSACTIONS),
        offset: entry.offset,
    })
}

fn other(kind: u8, entry: Entry<'_>, findings: &mut dyn Findings) -> SratEntry {
    if kind > srat_entry_type::RINTC_AFFINITY {
        entry.report(EntryFault::TypeUnknown { kind: kind.into() }, findings);
    }
    SratEntry::Other { kind, offset: entry.offset }
}
