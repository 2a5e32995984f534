//! The SLIT's header (ACPI 6.5 §5.2.17).
use zerocopy::little_endian::U64;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::header::SdtHeader;

/// The header of a SLIT (ACPI 6.5 §5.2.17). A matrix of n² bytes follows, with a row for each locality.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct SlitHeader {
    /// The common header.
    pub header: SdtHeader,
    /// The number n of localities.
    pub number_of_system_localities: U64,
}

const _: () = {
    assert!(size_of::<SlitHeader>() == 44);
};
