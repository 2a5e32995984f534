//! SRAT: which CPUs and which memory belong to which proximity domain (ACPI 6.5 §5.2.16).
use core::iter;

use units::{ApicId, ProximityDomain};
use zerocopy::FromBytes;

use crate::entry::{Entries, Entry};
use crate::wire::{
    SratGenericAffinity, SratHeader, SratMemoryAffinity, SratProcessorAffinity, SratX2ApicAffinity,
    srat_entry_type,
};
use crate::{DeviceHandle, Findings, Signature, What};

/// An SRAT that can be read; made by [`find_srat`](crate::find_srat).
#[derive(Clone, Copy, Debug)]
pub struct Srat<'a> {
    bytes: &'a [u8],
    revision: u8,
}

/// One entry of an SRAT.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SratEntry {
    /// Type 0 or 2.
    Cpu(SratCpu),
    /// Type 1.
    Memory(SratMemory),
    /// Type 5: a device that reads and writes memory by itself.
    GenericInitiator(SratDevice),
    /// Type 6: where such a device may be found, as a CXL host bridge.
    GenericPort(SratDevice),
    /// Types 3, 4 and 7, of Arm and RISC-V machines (`wire::srat_entry_type` names them), and those that there are not.
    Other {
        /// The entry's type.
        kind: u8,
        /// Bytes from the table's start.
        offset: u32,
    },
}

/// A CPU's proximity domain (ACPI 6.5 §5.2.16.1 and §5.2.16.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SratCpu {
    /// The CPU.
    pub apic_id: ApicId,
    /// Where it belongs.
    pub domain: ProximityDomain,
    /// Whether the entry counts at all.
    pub enabled: bool,
    /// Bytes from the table's start to the entry.
    pub offset: u32,
}

/// A memory range's proximity domain, as firmware wrote it: base and length may be anything (ACPI 6.5 §5.2.16.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SratMemory {
    /// The first byte's physical address.
    pub base: u64,
    /// Bytes in the range.
    pub length: u64,
    /// Where it belongs.
    pub domain: ProximityDomain,
    /// Whether the entry counts at all.
    pub enabled: bool,
    /// Whether memory may come and go here; there may be none now.
    pub hot_pluggable: bool,
    /// Whether it is persistent memory, which is not RAM to a kernel.
    pub non_volatile: bool,
    /// Bytes from the table's start to the entry.
    pub offset: u32,
}

/// A device's proximity domain (ACPI 6.5 §5.2.16.6 and §5.2.16.7).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SratDevice {
    /// Which device; `None` where firmware wrote a kind of handle that there is not.
    pub handle: Option<DeviceHandle>,
    /// Where it belongs.
    pub domain: ProximityDomain,
    /// Whether the entry counts at all.
    pub enabled: bool,
    /// Whether the device takes part in all that the architecture asks of a memory access.
    pub architectural_transactions: bool,
    /// Bytes from the table's start to the entry.
    pub offset: u32,
}

impl<'a> Srat<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Option<Self> {
        let (header, _) = SratHeader::ref_from_prefix(bytes).ok()?;
        Some(Self { bytes, revision: header.header.revision })
    }

    /// The table's revision: 1 has domains of 8 bits in types 0 and 1, later ones of 32.
    #[must_use]
    pub const fn revision(&self) -> u8 {
        self.revision
    }

    /// The entries in the table's order, each with what it got wrong reported as it is read.
    pub fn entries(&self, findings: &mut dyn Findings) -> impl Iterator<Item = SratEntry> {
        let mut reader = self.reader();
        iter::from_fn(move || reader.next(findings))
    }

    /// The entries for a caller that has findings of its own between them.
    #[must_use]
    pub fn reader(&self) -> SratReader<'a> {
        let entries = Entries::new(Signature::SRAT, self.bytes, size_of::<SratHeader>(), fixed_size);
        SratReader { entries, narrow_domains: self.revision < 2 }
    }
}

/// Bytes in an entry of this type, by the specification.
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

/// Reads an SRAT's entries one by one; made by [`Srat::reader`].
#[derive(Clone, Debug)]
pub struct SratReader<'a> {
    entries: Entries<'a>,
    narrow_domains: bool,
}

impl SratReader<'_> {
    /// The next entry that can be read; `None` at the table's end.
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

    /// The domain that was meant: before revision 2 the bits above the eighth are reserved.
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
            entry.report(What::DomainWide { written: ProximityDomain(written), used }, findings);
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
        entry.report(What::DeviceHandle { kind: device.device_handle_type }, findings);
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
        entry.report(What::EntryTypeUnknown { kind: kind.into() }, findings);
    }
    SratEntry::Other { kind, offset: entry.offset }
}
