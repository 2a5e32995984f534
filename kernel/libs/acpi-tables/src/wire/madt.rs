//! The MADT's structures (ACPI 6.5 §5.2.12).
use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::header::SdtHeader;

/// Entry types of the MADT on x86 machines, as far as all entries of the type have one size (ACPI 6.5 §5.2.12).
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
    /// GIC CPU Interface, a CPU of an Arm machine.
    pub const GICC: u8 = 11;
}

/// The header of a MADT (ACPI 6.5 §5.2.12).
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct MadtHeader {
    /// The common header.
    pub header: SdtHeader,
    /// The physical address of the local APICs.
    pub local_apic_address: U32,
    /// Bit 0: the machine also has 8259 interrupt controllers.
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
    /// Bit of `flags`: the CPU is present and may be started.
    pub const ENABLED: u32 = 1 << 0;
    /// Bit of `flags`, if `ENABLED` is clear: the CPU may be added while the system runs.
    pub const ONLINE_CAPABLE: u32 = 1 << 1;
}

/// MADT type 1: an I/O APIC (ACPI 6.5 §5.2.12.3).
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct MadtIoApic {
    /// 1.
    pub entry_type: u8,
    /// 12.
    pub length: u8,
    /// The I/O APIC's id.
    pub io_apic_id: u8,
    /// Reserved.
    pub reserved: u8,
    /// The physical address of the registers.
    pub address: U32,
    /// The global system interrupt of the first input.
    pub first_interrupt: U32,
}

/// MADT type 2: where an interrupt of the ISA bus arrives (ACPI 6.5 §5.2.12.5).
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct MadtInterruptSourceOverride {
    /// 2.
    pub entry_type: u8,
    /// 10.
    pub length: u8,
    /// 0: the ISA bus.
    pub bus: u8,
    /// The interrupt's number on that bus.
    pub source: u8,
    /// The global system interrupt.
    pub interrupt: U32,
    /// The MPS INTI flags: bits 0 and 1 are the polarity, bits 2 and 3 the trigger mode. 0 stands for the bus's own.
    pub flags: U16,
}

impl MadtInterruptSourceOverride {
    /// The bits of the polarity, and their value if the line interrupts while it is low.
    pub const POLARITY: u16 = 0b11;
    /// The bits of the trigger mode, and their value if the line is level-triggered.
    pub const TRIGGER: u16 = 0b1100;
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
    /// The physical address of the local APICs, which replaces the header's field.
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
    /// [`MadtLocalApic::ENABLED`] and [`MadtLocalApic::ONLINE_CAPABLE`].
    pub flags: U32,
    /// The ACPI processor UID.
    pub acpi_processor_uid: U32,
}

const _: () = {
    assert!(size_of::<MadtHeader>() == 44);
    assert!(size_of::<MadtLocalApic>() == 8);
    assert!(size_of::<MadtIoApic>() == 12);
    assert!(size_of::<MadtInterruptSourceOverride>() == 10);
    assert!(size_of::<MadtLocalApicAddressOverride>() == 12);
    assert!(size_of::<MadtLocalX2Apic>() == 16);
};
