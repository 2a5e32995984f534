//! The root pointer (ACPI 6.5 §5.2.5.3).
use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// The root pointer of ACPI 1.0, with which every later one starts.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct Rsdp {
    /// [`Rsdp::SIGNATURE`].
    pub signature: [u8; 8],
    /// Makes these 20 bytes add up to 0.
    pub checksum: u8,
    /// Who made the machine; not always text.
    pub oem_id: [u8; 6],
    /// 0 in ACPI 1.0, else 2.
    pub revision: u8,
    /// Where the RSDT is.
    pub rsdt_address: U32,
}

impl Rsdp {
    /// What a root pointer starts with.
    pub const SIGNATURE: [u8; 8] = *b"RSD PTR ";
}

/// The root pointer from revision 2 on.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct ExtendedRsdp {
    /// What ACPI 1.0 has.
    pub rsdp: Rsdp,
    /// Bytes in all of it.
    pub length: U32,
    /// Where the XSDT is.
    pub xsdt_address: U64,
    /// Makes all bytes add up to 0.
    pub extended_checksum: u8,
    /// Reserved.
    pub reserved: [u8; 3],
}

const _: () = {
    assert!(size_of::<Rsdp>() == 20);
    assert!(size_of::<ExtendedRsdp>() == 36);
};
