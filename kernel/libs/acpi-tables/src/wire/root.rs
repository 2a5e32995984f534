//! The root pointer (ACPI 6.5 §5.2.5.3).
use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// The root pointer of ACPI 1.0. Every later root pointer starts with it.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct Rsdp {
    /// [`Rsdp::SIGNATURE`].
    pub signature: [u8; 8],
    /// The value that makes these 20 bytes add up to 0.
    pub checksum: u8,
    /// The name of the machine's vendor. It is not always text.
    pub oem_id: [u8; 6],
    /// 0 in ACPI 1.0, 2 in later versions.
    pub revision: u8,
    /// The RSDT's physical address.
    pub rsdt_address: U32,
}

impl Rsdp {
    /// The signature of every root pointer.
    pub const SIGNATURE: [u8; 8] = *b"RSD PTR ";
}

/// The root pointer of revision 2 and later.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct ExtendedRsdp {
    /// The fields of ACPI 1.0.
    pub rsdp: Rsdp,
    /// Bytes in the whole root pointer.
    pub length: U32,
    /// The XSDT's physical address.
    pub xsdt_address: U64,
    /// The value that makes all bytes add up to 0.
    pub extended_checksum: u8,
    /// Reserved.
    pub reserved: [u8; 3],
}

const _: () = {
    assert!(size_of::<Rsdp>() == 20);
    assert!(size_of::<ExtendedRsdp>() == 36);
};
