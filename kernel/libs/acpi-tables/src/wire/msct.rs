//! The MSCT's structures (ACPI 6.5 §5.2.19).
use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::header::SdtHeader;

/// The header of an MSCT.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct MsctHeader {
    /// The common header.
    pub header: SdtHeader,
    /// Bytes from the table's start to the first [`MsctProximityDomains`].
    pub offset_to_domains: U32,
    /// The highest number of proximity domains, minus one.
    pub maximum_domains: U32,
    /// The highest number of clock domains, minus one.
    pub maximum_clock_domains: U32,
    /// The highest physical address that memory may have.
    pub maximum_address: U64,
}

/// The limits of a range of proximity domains (§5.2.19.1).
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct MsctProximityDomains {
    /// 1.
    pub revision: u8,
    /// 22.
    pub length: u8,
    /// The first domain.
    pub first_domain: U32,
    /// The last domain.
    pub last_domain: U32,
    /// The highest number of CPUs in each domain. 0 for domains without CPUs.
    pub maximum_processors: U32,
    /// The highest number of bytes of memory in each domain. 0 for domains without memory.
    pub maximum_memory: U64,
}

const _: () = {
    assert!(size_of::<MsctHeader>() == 56);
    assert!(size_of::<MsctProximityDomains>() == 22);
};
