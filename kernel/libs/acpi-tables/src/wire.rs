//! The tables' structures as they lie in memory: packed, little-endian, fields in the specification's order.
//!
//! The names are those of the NUMA plan where it names them. `zerocopy` views them in place, at any alignment.
use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

mod hmat;
mod msct;
mod root;

pub use hmat::{
    HmatHeader, HmatLatencyAndBandwidth, HmatProximityDomainAttributes, HmatSideCache, hmat_structure_type,
};
pub use msct::{MsctHeader, MsctProximityDomains};
pub use root::{ExtendedRsdp, Rsdp};

/// Entry types of the SRAT (ACPI 6.5 §5.2.16).
pub mod srat_entry_type {
    /// Processor Local APIC/SAPIC Affinity.
    pub const PROCESSOR_LOCAL_APIC_AFFINITY: u8 = 0;
    /// Memory Affinity.
    pub const MEMORY_AFFINITY: u8 = 1;
    /// Processor Local x2APIC Affinity.
    pub const PROCESSOR_X2APIC_AFFINITY: u8 = 2;
    /// GICC Affinity, of Arm machines.
    pub const GICC_AFFINITY: u8 = 3;
    /// GIC Interrupt Translation Service Affinity, of Arm machines.
    pub const GIC_ITS_AFFINITY: u8 = 4;
    /// Generic Initiator Affinity: a device that reads and writes memory.
    pub const GENERIC_INITIATOR_AFFINITY: u8 = 5;
    /// Generic Port Affinity: where a device will be found later, such as a CXL host bridge.
    pub const GENERIC_PORT_AFFINITY: u8 = 6;
    /// RINTC Affinity, of RISC-V machines.
    pub const RINTC_AFFINITY: u8 = 7;
}

/// Entry types of the MADT that x86 machines have and whose entries are all of one size (ACPI 6.5 §5.2.12).
pub mod madt_entry_type {
    /// Processor Local APIC.
    pub const LOCAL_APIC: u8 = 0;
    /// I/O APIC.
    pub const IO_APIC: u8 = 1;
    /// Interrupt Source Override.
    pub const INTERRUPT_SOURCE_OVERRIDE: u8 = 2;
    /// NMI Source.
    pub const NMI_SOURCE: u8 = 3;
    /// Local APIC NMI.
    pub const LOCAL_APIC_NMI: u8 = 4;
    /// Local APIC Address Override.
    pub const LOCAL_APIC_ADDRESS_OVERRIDE: u8 = 5;
    /// Processor Local x2APIC.
    pub const LOCAL_X2APIC: u8 = 9;
    /// Local x2APIC NMI.
    pub const LOCAL_X2APIC_NMI: u8 = 10;
}

/// The header of every table (ACPI 6.5 §5.2.6).
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct SdtHeader {
    /// Which table this is.
    pub signature: [u8; 4],
    /// Bytes in the table, header included.
    pub length: U32,
    /// The table's revision.
    pub revision: u8,
    /// Makes all of the table's bytes add up to 0.
    pub checksum: u8,
    /// Who made the table; not always text.
    pub oem_id: [u8; 6],
    /// The maker's name for this table; not always text.
    pub oem_table_id: [u8; 8],
    /// The maker's revision.
    pub oem_revision: U32,
    /// The tool that wrote the table.
    pub creator_id: [u8; 4],
    /// That tool's revision.
    pub creator_revision: U32,
}

/// What an SRAT starts with (ACPI 6.5 §5.2.16; `ACPISRAT` in the plan).
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct SratHeader {
    /// The common header.
    pub header: SdtHeader,
    /// 1, for old readers.
    pub reserved1: U32,
    /// Reserved.
    pub reserved2: U64,
}

/// SRAT type 0: a CPU named by its 8-bit APIC id (ACPI 6.5 §5.2.16.1).
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct SratProcessorAffinity {
    /// 0.
    pub entry_type: u8,
    /// 16.
    pub length: u8,
    /// Bits 0 to 7 of the proximity domain.
    pub proximity_domain_lo: u8,
    /// The local APIC's id.
    pub apic_id: u8,
    /// [`SratProcessorAffinity::ENABLED`].
    pub flags: U32,
    /// The local SAPIC's EID (Itanium).
    pub local_sapic_eid: u8,
    /// Bits 8 to 31 of the proximity domain; reserved before revision 2.
    pub proximity_domain_hi: [u8; 3],
    /// The clock domain.
    pub clock_domain: U32,
}

impl SratProcessorAffinity {
    /// In `flags`: the entry counts; without it all of it is to be ignored.
    pub const ENABLED: u32 = 1 << 0;
}

/// SRAT type 1: a range of memory (ACPI 6.5 §5.2.16.2).
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct SratMemoryAffinity {
    /// 1.
    pub entry_type: u8,
    /// 40.
    pub length: u8,
    /// The proximity domain; its upper 24 bits are reserved before revision 2.
    pub proximity_domain: U32,
    /// Reserved.
    pub reserved1: U16,
    /// The first byte's physical address.
    pub base_address: U64,
    /// Bytes in the range.
    pub range_length: U64,
    /// Reserved.
    pub reserved2: U32,
    /// [`SratMemoryAffinity::ENABLED`] and its companions.
    pub flags: U32,
    /// Reserved.
    pub reserved3: U64,
}

impl SratMemoryAffinity {
    /// In `flags`: the entry counts; without it all of it is to be ignored.
    pub const ENABLED: u32 = 1 << 0;
    /// In `flags`: memory may be added or removed here while the system runs.
    pub const HOT_PLUGGABLE: u32 = 1 << 1;
    /// In `flags`: the memory keeps its content without power.
    pub const NON_VOLATILE: u32 = 1 << 2;
}

/// SRAT type 2: a CPU named by its 32-bit x2APIC id (ACPI 6.5 §5.2.16.3).
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct SratX2ApicAffinity {
    /// 2.
    pub entry_type: u8,
    /// 24.
    pub length: u8,
    /// Reserved.
    pub reserved1: U16,
    /// The proximity domain, 32 bits in every revision: the structure is younger than the 8-bit domains.
    pub proximity_domain: U32,
    /// The local x2APIC's id.
    pub x2apic_id: U32,
    /// [`SratProcessorAffinity::ENABLED`].
    pub flags: U32,
    /// The clock domain.
    pub clock_domain: U32,
    /// Reserved.
    pub reserved2: U32,
}

/// SRAT types 5 and 6: a device that reaches memory by itself, or a port behind which such a device may be found
/// (ACPI 6.5 §5.2.16.6 and §5.2.16.7).
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct SratGenericAffinity {
    /// 5 or 6.
    pub entry_type: u8,
    /// 32.
    pub length: u8,
    /// Reserved.
    pub reserved1: u8,
    /// How `device_handle` is to be read: [`SratGenericAffinity::ACPI_HANDLE`] or [`SratGenericAffinity::PCI_HANDLE`].
    pub device_handle_type: u8,
    /// The proximity domain.
    pub proximity_domain: U32,
    /// The device: `_HID` in 8 bytes and `_UID` in 4, or PCI segment in 2, bus in 1, device and function in 1; the rest is
    /// reserved.
    pub device_handle: [u8; 16],
    /// [`SratGenericAffinity::ENABLED`] and [`SratGenericAffinity::ARCHITECTURAL_TRANSACTIONS`].
    pub flags: U32,
    /// Reserved.
    pub reserved2: U32,
}

impl SratGenericAffinity {
    /// In `device_handle_type`: a device of the ACPI namespace.
    pub const ACPI_HANDLE: u8 = 0;
    /// In `device_handle_type`: a PCI function.
    pub const PCI_HANDLE: u8 = 1;
    /// In `flags`: the entry counts; without it all of it is to be ignored.
    pub const ENABLED: u32 = 1 << 0;
    /// In `flags`: the device takes part in all that the architecture asks of a memory access.
    pub const ARCHITECTURAL_TRANSACTIONS: u32 = 1 << 1;
}

/// What a SLIT starts with; n² bytes of distances follow, a row for each locality (ACPI 6.5 §5.2.17).
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct SlitHeader {
    /// The common header.
    pub header: SdtHeader,
    /// n, the number of localities.
    pub number_of_system_localities: U64,
}

/// What a MADT starts with (ACPI 6.5 §5.2.12).
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct MadtHeader {
    /// The common header.
    pub header: SdtHeader,
    /// Where each CPU sees its local APIC.
    pub local_apic_address: U32,
    /// Bit 0: the machine has 8259 interrupt controllers as well.
    pub flags: U32,
}

/// MADT type 0: a CPU with an 8-bit APIC id (ACPI 6.5 §5.2.12.2).
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct MadtLocalApic {
    /// 0.
    pub entry_type: u8,
    /// 8.
    pub length: u8,
    /// The ACPI processor UID.
    pub acpi_processor_uid: u8,
    /// The local APIC's id.
    pub apic_id: u8,
    /// [`MadtLocalApic::ENABLED`] and [`MadtLocalApic::ONLINE_CAPABLE`].
    pub flags: U32,
}

impl MadtLocalApic {
    /// In `flags`: the CPU is there and may be started.
    pub const ENABLED: u32 = 1 << 0;
    /// In `flags`, where `ENABLED` is clear: the CPU may come while the system runs.
    pub const ONLINE_CAPABLE: u32 = 1 << 1;
}

/// MADT type 5: the local APIC's address in 64 bits (ACPI 6.5 §5.2.12.8).
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct MadtLocalApicAddressOverride {
    /// 5.
    pub entry_type: u8,
    /// 12.
    pub length: u8,
    /// Reserved.
    pub reserved: U16,
    /// Where each CPU sees its local APIC, in place of the header's field.
    pub local_apic_address: U64,
}

/// MADT type 9: a CPU with a 32-bit x2APIC id (ACPI 6.5 §5.2.12.12).
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct MadtLocalX2Apic {
    /// 9.
    pub entry_type: u8,
    /// 16.
    pub length: u8,
    /// Reserved.
    pub reserved: U16,
    /// The local x2APIC's id.
    pub x2apic_id: U32,
    /// As in [`MadtLocalApic`].
    pub flags: U32,
    /// The ACPI processor UID.
    pub acpi_processor_uid: U32,
}

const _: () = {
    assert!(size_of::<SdtHeader>() == 36);
    assert!(size_of::<SratHeader>() == 48);
    assert!(size_of::<SratProcessorAffinity>() == 16);
    assert!(size_of::<SratMemoryAffinity>() == 40);
    assert!(size_of::<SratX2ApicAffinity>() == 24);
    assert!(size_of::<SratGenericAffinity>() == 32);
    assert!(size_of::<SlitHeader>() == 44);
    assert!(size_of::<MadtHeader>() == 44);
    assert!(size_of::<MadtLocalApic>() == 8);
    assert!(size_of::<MadtLocalApicAddressOverride>() == 12);
    assert!(size_of::<MadtLocalX2Apic>() == 16);
};
