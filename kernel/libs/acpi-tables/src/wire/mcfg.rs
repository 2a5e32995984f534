//! The MCFG's structures (PCI Firmware 3.3 §4.1.2).
use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::header::SdtHeader;

/// The header of an MCFG.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct McfgHeader {
    /// The common header.
    pub header: SdtHeader,
    /// Reserved.
    pub reserved: [u8; 8],
}

/// An entry of an MCFG: where the configuration space of some buses of a segment is mapped.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct McfgEntry {
    /// The physical address where bus 0 is, or would be if it is not among the entry's buses.
    pub base: U64,
    /// The segment.
    pub segment: U16,
    /// The first bus.
    pub first_bus: u8,
    /// The last bus.
    pub last_bus: u8,
    /// Reserved.
    pub reserved: U32,
}

const _: () = {
    assert!(size_of::<McfgHeader>() == 44);
    assert!(size_of::<McfgEntry>() == 16);
};
