//! The structures of the tables that describe clocks: FADT (ACPI 6.5 §5.2.9) and HPET (IA-PC HPET 1.0a §3.2.4).
use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::header::SdtHeader;

/// The place of a register (ACPI 6.5 §5.2.3.2).
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct GenericAddress {
    /// [`GenericAddress::MEMORY`], [`GenericAddress::IO_PORT`], or another space.
    pub address_space: u8,
    /// The register's bits.
    pub bit_width: u8,
    /// The first bit.
    pub bit_offset: u8,
    /// How many bytes to read at once: 1 to 4 for 1, 2, 4 and 8. 0 if it does not matter.
    pub access_size: u8,
    /// The address in that space.
    pub address: U64,
}

impl GenericAddress {
    /// The address is physical memory.
    pub const MEMORY: u8 = 0;
    /// The address is an I/O port.
    pub const IO_PORT: u8 = 1;
}

/// The HPET's table.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct HpetTable {
    /// The common header.
    pub header: SdtHeader,
    /// The low half of the HPET's first register.
    pub event_timer_block_id: U32,
    /// The place of the registers.
    pub base_address: GenericAddress,
    /// The HPET's number.
    pub hpet_number: u8,
    /// The lowest count of a periodic interrupt.
    pub minimum_tick: U16,
    /// How much of the page the registers have to themselves.
    pub page_protection: u8,
}

/// The FADT as far as revision 1 goes. The fields that the kernel does not read are reserved here.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct FadtHeader {
    /// The common header.
    pub header: SdtHeader,
    /// Not read.
    pub reserved1: [u8; 40],
    /// The I/O port of the PM timer, or 0.
    pub pm_timer_block: U32,
    /// Not read.
    pub reserved2: [u8; 11],
    /// The PM timer's bytes: 4, or 0 if there is none.
    pub pm_timer_length: u8,
    /// Not read.
    pub reserved3: [u8; 20],
    /// [`FadtHeader::TIMER_HAS_32_BITS`], [`FadtHeader::HAS_RESET_REGISTER`], [`FadtHeader::HARDWARE_REDUCED`], and bits that the kernel does not read.
    pub flags: U32,
}

impl FadtHeader {
    /// Bit of `flags`: the PM timer has 32 bits, not 24.
    pub const TIMER_HAS_32_BITS: u32 = 1 << 8;
    /// Bit of `flags`: the machine has a reset register.
    pub const HAS_RESET_REGISTER: u32 = 1 << 10;
    /// Bit of `flags`: the machine has none of the fixed hardware, and no PM timer.
    pub const HARDWARE_REDUCED: u32 = 1 << 20;
    /// The offset of the PM timer's [`GenericAddress`], which revision 2 added.
    pub const EXTENDED_PM_TIMER_OFFSET: usize = 208;
}

const _: () = {
    use core::mem::offset_of;
    assert!(size_of::<GenericAddress>() == 12);
    assert!(size_of::<HpetTable>() == 56);
    assert!(size_of::<FadtHeader>() == 116);
    assert!(offset_of!(FadtHeader, pm_timer_block) == 76);
    assert!(offset_of!(FadtHeader, pm_timer_length) == 91);
    assert!(offset_of!(FadtHeader, flags) == 112);
};
