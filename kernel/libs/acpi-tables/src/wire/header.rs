//! The header of every table (ACPI 6.5 §5.2.6).
use zerocopy::little_endian::U32;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// The header of every table (ACPI 6.5 §5.2.6).
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct SdtHeader {
    /// The table's signature.
    pub signature: [u8; 4],
    /// Bytes in the table, header included.
    pub length: U32,
    /// The table's revision.
    pub revision: u8,
    /// The value that makes the table's bytes add up to 0.
    pub checksum: u8,
    /// The name of the table's vendor. It is not always text.
    pub oem_id: [u8; 6],
    /// The vendor's name of this table. It is not always text.
    pub oem_table_id: [u8; 8],
    /// The vendor's revision.
    pub oem_revision: U32,
    /// The name of the tool that wrote the table.
    pub creator_id: [u8; 4],
    /// The revision of that tool.
    pub creator_revision: U32,
}

const _: () = {
    assert!(size_of::<SdtHeader>() == 36);
};
