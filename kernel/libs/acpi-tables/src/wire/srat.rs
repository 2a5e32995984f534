//! The SRAT's structures (ACPI 6.5 §5.2.16).
use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::header::SdtHeader;

/// Entry types of the SRAT (ACPI 6.5 §5.2.16).
pub mod srat_entry_type {
    /// Processor Local APIC/SAPIC Affinity.
    pub const PROCESSOR_LOCAL_APIC_AFFINITY: u8 = 0;
    /// Memory Affinity.
    pub const MEMORY_AFFINITY: u8 = 1;
    /// Processor Local x2APIC Affinity.
    pub const PROCESSOR_X2APIC_AFFINITY: u8 = 2;
    /// GICC Affinity, on Arm machines.
    pub const GICC_AFFINITY: u8 = 3;
    /// GIC Interrupt Translation Service Affinity, on Arm machines.
    pub const GIC_ITS_AFFINITY: u8 = 4;
    /// Generic Initiator Affinity: a device that reads and writes memory.
    pub const GENERIC_INITIATOR_AFFINITY: u8 = 5;
    /// Generic Port Affinity: a port to which a device may be connected, such as a CXL host bridge.
    pub const GENERIC_PORT_AFFINITY: u8 = 6;
    /// RINTC Affinity, on RISC-V machines.
    pub const RINTC_AFFINITY: u8 = 7;
}

/// The header of an SRAT (ACPI 6.5 §5.2.16).
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct SratHeader {
    /// The common header.
    pub header: SdtHeader,
    /// Reserved. The value is 1, for compatibility with old readers.
    pub reserved1: U32,
    /// Reserved.
    pub reserved2: U64,
}

/// SRAT type 0: a CPU with an 8-bit APIC id (ACPI 6.5 §5.2.16.1).
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
    /// Bit of `flags`: the entry is in use. Without it, the whole entry must be ignored.
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
    /// [`SratMemoryAffinity::ENABLED`] and the other flags of this type.
    pub flags: U32,
    /// Reserved.
    pub reserved3: U64,
}

impl SratMemoryAffinity {
    /// Bit of `flags`: the entry is in use. Without it, the whole entry must be ignored.
    pub const ENABLED: u32 = 1 << 0;
    /// Bit of `flags`: memory may be added or removed here while the system runs.
    pub const HOT_PLUGGABLE: u32 = 1 << 1;
    /// Bit of `flags`: the memory keeps its content without power.
    pub const NON_VOLATILE: u32 = 1 << 2;
}

/// SRAT type 2: a CPU with a 32-bit x2APIC id (ACPI 6.5 §5.2.16.3).
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct SratX2ApicAffinity {
    /// 2.
    pub entry_type: u8,
    /// 24.
    pub length: u8,
    /// Reserved.
    pub reserved1: U16,
    /// The proximity domain. It has 32 bits in every revision: the structure came after the 8-bit domains.
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

/// SRAT types 5 and 6: a device that accesses memory by itself, or a port behind which such a device may be found
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
    /// The format of `device_handle`: [`SratGenericAffinity::ACPI_HANDLE`] or [`SratGenericAffinity::PCI_HANDLE`].
    pub device_handle_type: u8,
    /// The proximity domain.
    pub proximity_domain: U32,
    /// The device: `_HID` in 8 bytes and `_UID` in 4; or PCI segment in 2 bytes, bus in 1, device and function in 1. The
    /// rest is reserved.
    pub device_handle: [u8; 16],
    /// [`SratGenericAffinity::ENABLED`] and [`SratGenericAffinity::ARCHITECTURAL_TRANSACTIONS`].
    pub flags: U32,
    /// Reserved.
    pub reserved2: U32,
}

impl SratGenericAffinity {
    /// Value of `device_handle_type`: a device of the ACPI namespace.
    pub const ACPI_HANDLE: u8 = 0;
    /// Value of `device_handle_type`: a PCI function.
    pub const PCI_HANDLE: u8 = 1;
    /// Bit of `flags`: the entry is in use. Without it, the whole entry must be ignored.
    pub const ENABLED: u32 = 1 << 0;
    /// Bit of `flags`: the device supports all architectural transactions, such as atomic accesses.
    pub const ARCHITECTURAL_TRANSACTIONS: u32 = 1 << 1;
}

const _: () = {
    assert!(size_of::<SratHeader>() == 48);
    assert!(size_of::<SratProcessorAffinity>() == 16);
    assert!(size_of::<SratMemoryAffinity>() == 40);
    assert!(size_of::<SratX2ApicAffinity>() == 24);
    assert!(size_of::<SratGenericAffinity>() == 32);
};
