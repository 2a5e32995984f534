//! The HMAT's structures (ACPI 6.5 §5.2.28).
use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::header::SdtHeader;

/// Types of the HMAT's structures.
pub mod hmat_structure_type {
    /// Memory Proximity Domain Attributes.
    pub const PROXIMITY_DOMAIN_ATTRIBUTES: u16 = 0;
    /// System Locality Latency and Bandwidth Information.
    pub const LATENCY_AND_BANDWIDTH: u16 = 1;
    /// Memory Side Cache Information.
    pub const SIDE_CACHE: u16 = 2;
}

/// The header of an HMAT.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct HmatHeader {
    /// The common header.
    pub header: SdtHeader,
    /// Reserved.
    pub reserved: U32,
}

/// Type 0: the initiator that a domain's memory is attached to (§5.2.28.3).
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct HmatProximityDomainAttributes {
    /// 0.
    pub structure_type: U16,
    /// Reserved.
    pub reserved1: U16,
    /// 40.
    pub length: U32,
    /// [`HmatProximityDomainAttributes::INITIATOR_VALID`] and, in revision 1, [`HmatProximityDomainAttributes::MEMORY_VALID`].
    pub flags: U16,
    /// Reserved.
    pub reserved2: U16,
    /// The domain of the initiator that the memory is attached to.
    pub initiator_proximity_domain: U32,
    /// The memory's domain.
    pub memory_proximity_domain: U32,
    /// Reserved.
    pub reserved3: U32,
    /// The first byte's physical address in revision 1; reserved in later ones.
    pub base_address: U64,
    /// The bytes in the range in revision 1; reserved in later ones.
    pub range_length: U64,
}

impl HmatProximityDomainAttributes {
    /// Bit of `flags`: the initiator's domain is valid.
    pub const INITIATOR_VALID: u16 = 1 << 0;
    /// Bit of `flags` in revision 1: the memory's domain is valid.
    pub const MEMORY_VALID: u16 = 1 << 1;
}

/// Type 1: the header of a matrix of latencies or bandwidths (§5.2.28.4).
///
/// Three lists follow: the initiators' domains, the targets' domains, and a row of 16-bit values for each initiator.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct HmatLatencyAndBandwidth {
    /// 1.
    pub structure_type: U16,
    /// Reserved.
    pub reserved1: U16,
    /// 32, plus 4 for each domain of the lists, plus 2 for each value.
    pub length: U32,
    /// The level of memory in bits 0 to 3, then [`HmatLatencyAndBandwidth::MINIMUM_TRANSFER`] and
    /// [`HmatLatencyAndBandwidth::NON_SEQUENTIAL`].
    pub flags: u8,
    /// 0 to 2 for the latency of accesses, reads and writes; 3 to 5 for their bandwidth.
    pub data_type: u8,
    /// The smallest transfer size for which the values hold, as an exponent.
    pub minimum_transfer_size: u8,
    /// Reserved.
    pub reserved2: u8,
    /// The number of initiators.
    pub number_of_initiators: U32,
    /// The number of targets.
    pub number_of_targets: U32,
    /// Reserved.
    pub reserved3: U32,
    /// The unit of the values, in picoseconds or MB/s.
    pub entry_base_unit: U64,
}

impl HmatLatencyAndBandwidth {
    /// Bits of `flags`: the level of memory. 0 is memory itself; other levels are its side caches.
    pub const LEVEL: u8 = 0xf;
    /// Bit of `flags`: the values hold only for transfers of at least `minimum_transfer_size`.
    pub const MINIMUM_TRANSFER: u8 = 1 << 4;
    /// Bit of `flags`: the values hold for transfers that are not sequential.
    pub const NON_SEQUENTIAL: u8 = 1 << 5;
}

/// Type 2: a cache in front of a domain's memory (§5.2.28.5). A list of 16-bit SMBIOS handles follows.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct HmatSideCache {
    /// 2.
    pub structure_type: U16,
    /// Reserved.
    pub reserved1: U16,
    /// 32, plus 2 for each handle.
    pub length: U32,
    /// The memory's domain.
    pub memory_proximity_domain: U32,
    /// Reserved.
    pub reserved2: U32,
    /// Bytes in the cache.
    pub size: U64,
    /// Four bits each for the number of levels, this level, the associativity and the write policy, from bit 0 on. Then
    /// 16 bits for the line size.
    pub attributes: U32,
    /// Reserved.
    pub reserved3: U16,
    /// The number of SMBIOS handles.
    pub number_of_smbios_handles: U16,
}

const _: () = {
    assert!(size_of::<HmatHeader>() == 40);
    assert!(size_of::<HmatProximityDomainAttributes>() == 40);
    assert!(size_of::<HmatLatencyAndBandwidth>() == 32);
    assert!(size_of::<HmatSideCache>() == 32);
};
