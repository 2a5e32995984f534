//! Builds tables, correct or faulty, for tests and fuzzers.
//!
//! [`TableBuilder`] appends entries to a header and sets the length and the checksum. The functions of this module build
//! correct, enabled entries whose fields a test may change. A faulty table is a correct one with some bytes changed;
//! [`seal`] makes its checksum correct again.
mod clock;
mod hmat;
mod root;

pub use clock::{generic_address, long_fadt};
pub use hmat::{attachment, latency_and_bandwidth, msct_domains, side_cache};
pub use root::{extended_rsdp, rsdp};

use alloc::vec::Vec;

use units::{ApicId, ProximityDomain};
use zerocopy::{FromZeros, Immutable, IntoBytes};

use crate::checksum::sum_of;
use crate::wire::{
    DmarHeader, HmatHeader, MadtHeader, MadtIoApic, MadtLocalApic, MadtLocalX2Apic, McfgEntry, McfgHeader,
    MsctHeader, SdtHeader, SlitHeader, SratGenericAffinity, SratHeader, SratMemoryAffinity,
    SratProcessorAffinity, SratX2ApicAffinity, madt_entry_type, srat_entry_type,
};
use crate::{DeviceHandle, Signature};

/// A table under construction.
#[derive(Clone, Debug)]
pub struct TableBuilder(Vec<u8>);

impl TableBuilder {
    /// Starts an SRAT without entries.
    #[must_use]
    pub fn srat(revision: u8) -> Self {
        let header = SratHeader {
            header: header(Signature::SRAT, revision),
            reserved1: 1.into(),
            reserved2: 0.into(),
        };
        Self(header.as_bytes().to_vec())
    }

    /// Starts a MADT without entries, with the local APICs at their usual address.
    #[must_use]
    pub fn madt() -> Self {
        let header = MadtHeader {
            header: header(Signature::MADT, 5),
            local_apic_address: 0xfee0_0000.into(),
            flags: 1.into(),
        };
        Self(header.as_bytes().to_vec())
    }

    /// Starts a SLIT that claims to have `localities` localities, with the distances in `matrix`.
    #[must_use]
    pub fn slit(localities: u64, matrix: &[u8]) -> Self {
        let header =
            SlitHeader { header: header(Signature::SLIT, 1), number_of_system_localities: localities.into() };
        Self(header.as_bytes().to_vec()).entry(matrix)
    }

    /// Starts an HMAT without structures.
    #[must_use]
    pub fn hmat(revision: u8) -> Self {
        let header = HmatHeader { header: header(Signature::HMAT, revision), reserved: 0.into() };
        Self(header.as_bytes().to_vec())
    }

    /// Starts an MCFG without entries.
    #[must_use]
    pub fn mcfg() -> Self {
        let header = McfgHeader { header: header(Signature::MCFG, 1), reserved: [0; 8] };
        Self(header.as_bytes().to_vec())
    }

    /// Starts an MSCT without entries, with these highest numbers of domains and this highest address.
    #[must_use]
    pub fn msct(domains: u32, clock_domains: u32, max_address: u64) -> Self {
        let header = MsctHeader {
            header: header(Signature::MSCT, 1),
            offset_to_domains: (size_of::<MsctHeader>() as u32).into(),
            maximum_domains: domains.wrapping_sub(1).into(),
            maximum_clock_domains: clock_domains.wrapping_sub(1).into(),
            maximum_address: max_address.into(),
        };
        Self(header.as_bytes().to_vec())
    }

    /// Starts a DMAR without I/O MMUs, with these flags.
    #[must_use]
    pub fn dmar(flags: u8) -> Self {
        let header = DmarHeader {
            header: header(Signature::DMAR, 1),
            host_address_width: 38,
            flags,
            reserved: [0; 10],
        };
        Self(header.as_bytes().to_vec())
    }

    /// Starts an RSDT that lists tables at these addresses.
    #[must_use]
    pub fn rsdt(addresses: &[u32]) -> Self {
        let table = Self(header(Signature::RSDT, 1).as_bytes().to_vec());
        table.entries(addresses.iter().map(|address| address.to_le_bytes()))
    }

    /// Starts an XSDT that lists tables at these addresses.
    #[must_use]
    pub fn xsdt(addresses: &[u64]) -> Self {
        let table = Self(header(Signature::XSDT, 1).as_bytes().to_vec());
        table.entries(addresses.iter().map(|address| address.to_le_bytes()))
    }

    /// Appends an entry, or any bytes.
    #[must_use]
    pub fn entry(mut self, entry: &(impl IntoBytes + Immutable + ?Sized)) -> Self {
        self.0.extend_from_slice(entry.as_bytes());
        self
    }

    /// Appends entries.
    #[must_use]
    pub fn entries<T: IntoBytes + Immutable>(self, entries: impl IntoIterator<Item = T>) -> Self {
        entries.into_iter().fold(self, |table, entry| table.entry(&entry))
    }

    /// Returns the table's bytes with the correct length and checksum.
    #[must_use]
    pub fn build(mut self) -> Vec<u8> {
        let length = u32::try_from(self.0.len()).unwrap_or(u32::MAX);
        self.0[4..8].copy_from_slice(&length.to_le_bytes());
        seal(&mut self.0);
        self.0
    }
}

/// Sets a table's checksum so that all of its bytes add up to 0.
pub fn seal(table: &mut [u8]) {
    let sum = sum_of(table);
    if let Some(checksum) = table.get_mut(9) {
        *checksum = checksum.wrapping_sub(sum);
    }
}

fn header(signature: Signature, revision: u8) -> SdtHeader {
    let mut header = SdtHeader::new_zeroed();
    header.signature = signature.0;
    header.revision = revision;
    header.oem_id = *b"OEM ID";
    header.oem_table_id = *b"TABLE ID";
    header
}

/// Builds an enabled SRAT entry of type 0 with a 32-bit domain, as revision 2 has it.
#[must_use]
pub fn local_apic_affinity(apic_id: u8, domain: ProximityDomain) -> SratProcessorAffinity {
    let [proximity_domain_lo, high @ ..] = domain.0.to_le_bytes();
    SratProcessorAffinity {
        entry_type: srat_entry_type::PROCESSOR_LOCAL_APIC_AFFINITY,
        length: size_of::<SratProcessorAffinity>() as u8,
        proximity_domain_lo,
        apic_id,
        flags: SratProcessorAffinity::ENABLED.into(),
        local_sapic_eid: 0,
        proximity_domain_hi: high,
        clock_domain: 0.into(),
    }
}

/// Builds an enabled SRAT entry of type 2.
#[must_use]
pub fn x2apic_affinity(apic_id: ApicId, domain: ProximityDomain) -> SratX2ApicAffinity {
    let mut entry = SratX2ApicAffinity::new_zeroed();
    entry.entry_type = srat_entry_type::PROCESSOR_X2APIC_AFFINITY;
    entry.length = size_of::<SratX2ApicAffinity>() as u8;
    entry.proximity_domain = domain.0.into();
    entry.x2apic_id = apic_id.0.into();
    entry.flags = SratProcessorAffinity::ENABLED.into();
    entry
}

/// Builds an enabled SRAT entry of type 1 for `length` bytes at `base`.
#[must_use]
pub fn memory_affinity(base: u64, length: u64, domain: ProximityDomain) -> SratMemoryAffinity {
    let mut entry = SratMemoryAffinity::new_zeroed();
    entry.entry_type = srat_entry_type::MEMORY_AFFINITY;
    entry.length = size_of::<SratMemoryAffinity>() as u8;
    entry.proximity_domain = domain.0.into();
    entry.base_address = base.into();
    entry.range_length = length.into();
    entry.flags = SratMemoryAffinity::ENABLED.into();
    entry
}

/// Builds an enabled SRAT entry of type 5.
#[must_use]
pub fn generic_initiator(handle: DeviceHandle, domain: ProximityDomain) -> SratGenericAffinity {
    let mut entry = SratGenericAffinity::new_zeroed();
    entry.entry_type = srat_entry_type::GENERIC_INITIATOR_AFFINITY;
    entry.length = size_of::<SratGenericAffinity>() as u8;
    entry.proximity_domain = domain.0.into();
    entry.flags = SratGenericAffinity::ENABLED.into();
    match handle {
        DeviceHandle::Acpi { hid, uid } => {
            entry.device_handle_type = SratGenericAffinity::ACPI_HANDLE;
            entry.device_handle[..8].copy_from_slice(&hid);
            entry.device_handle[8..12].copy_from_slice(&uid.to_le_bytes());
        }
        DeviceHandle::Pci { segment, bus, device, function } => {
            entry.device_handle_type = SratGenericAffinity::PCI_HANDLE;
            entry.device_handle[..2].copy_from_slice(&segment.to_le_bytes());
            entry.device_handle[2..4].copy_from_slice(&[bus, device << 3 | function & 7]);
        }
    }
    entry
}

/// Builds an enabled SRAT entry of type 6.
#[must_use]
pub fn generic_port(handle: DeviceHandle, domain: ProximityDomain) -> SratGenericAffinity {
    let entry_type = srat_entry_type::GENERIC_PORT_AFFINITY;
    SratGenericAffinity { entry_type, ..generic_initiator(handle, domain) }
}

/// Builds an MCFG entry: bus 0 of `segment` would be at `base`, and there are buses `first` to `last`.
#[must_use]
pub fn mcfg_entry(base: u64, segment: u16, first: u8, last: u8) -> McfgEntry {
    McfgEntry {
        base: base.into(),
        segment: segment.into(),
        first_bus: first,
        last_bus: last,
        reserved: 0.into(),
    }
}

/// Builds an enabled MADT entry of type 0.
#[must_use]
pub fn local_apic(acpi_processor_uid: u8, apic_id: u8) -> MadtLocalApic {
    MadtLocalApic {
        entry_type: madt_entry_type::LOCAL_APIC,
        length: size_of::<MadtLocalApic>() as u8,
        acpi_processor_uid,
        apic_id,
        flags: MadtLocalApic::ENABLED.into(),
    }
}

/// Builds an enabled MADT entry of type 9.
#[must_use]
pub fn local_x2apic(acpi_processor_uid: u32, apic_id: ApicId) -> MadtLocalX2Apic {
    MadtLocalX2Apic {
        entry_type: madt_entry_type::LOCAL_X2APIC,
        length: size_of::<MadtLocalX2Apic>() as u8,
        reserved: 0.into(),
        x2apic_id: apic_id.0.into(),
        flags: MadtLocalApic::ENABLED.into(),
        acpi_processor_uid: acpi_processor_uid.into(),
    }
}

/// Builds a MADT entry of type 1 for an I/O APIC with its registers at this physical address.
#[must_use]
pub fn io_apic(io_apic_id: u8, address: u32, first_interrupt: u32) -> MadtIoApic {
    MadtIoApic {
        entry_type: madt_entry_type::IO_APIC,
        length: size_of::<MadtIoApic>() as u8,
        io_apic_id,
        reserved: 0,
        address: address.into(),
        first_interrupt: first_interrupt.into(),
    }
}
