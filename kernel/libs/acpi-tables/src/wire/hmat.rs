//! The HMAT's structures (ACPI 6.5 §5.2.28).
use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::SdtHeader;

/// Types of the HMAT's structures.
pub mod hmat_structure_type {
    /// Memory Proximity Domain Attributes.
    pub const PROXIMITY_DOMAIN_ATTRIBUTES: u16 = 0;
    /// System Locality Latency and Bandwidth Information.
    pub const LATENCY_AND_BANDWIDTH: u16 = 1;
    /// Memory Side Cache Information.
    pub const SIDE_CACHE: u16 = 2;
}

/// What an HMAT starts with.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct HmatHeader {
    /// The common header.
    pub header: SdtHeader,
    /// Reserved.
    pub reserved: U32,
}

/// Type 0: which initiator a domain's memory is attached to (§5.2.28.3).
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
    /// In revision 1 the first byte's physical address; reserved since.
    pub base_address: U64,
    /// In revision 1 the bytes in the range; reserved since.
    pub range_length: U64,
}

impl HmatProximityDomainAttributes {
    /// In `flags`: the initiator's domain is given.
    pub const INITIATOR_VALID: u16 = 1 << 0;
    /// In `flags`, in revision 1: the memory's domain is given.
    pub const MEMORY_VALID: u16 = 1 << 1;
}

/// Type 1: what a matrix of latencies or bandwidths starts with. The initiators' domains follow, then the targets', then
/// the values, a row of 16-bit values for each initiator (§5.2.28.4).
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct HmatLatencyAndBandwidth {
    /// 1.
    pub structure_type: U16,
    /// Reserved.
    pub reserved1: U16,
    /// 32 and 4 bytes for each domain of the lists and 2 for each value.
    pub length: U32,
    /// Bits 0 to 3 the level of memory; then [`HmatLatencyAndBandwidth::MINIMUM_TRANSFER`] and
    /// [`HmatLatencyAndBandwidth::NON_SEQUENTIAL`].
    pub flags: u8,
    /// 0 to 2 latency of accesses, reads, writes; 3 to 5 bandwidth likewise.
    pub data_type: u8,
    /// The transfer size at which the values hold, as an exponent.
    pub minimum_transfer_size: u8,
    /// Reserved.
    pub reserved2: u8,
    /// How many initiators there are.
    pub number_of_initiators: U32,
    /// How many targets there are.
    pub number_of_targets: U32,
    /// Reserved.
    pub reserved3: U32,
    /// What a value of 1 means, in picoseconds or MB/s.
    pub entry_base_unit: U64,
}

impl HmatLatencyAndBandwidth {
    /// In `flags`: the level of memory; 0 is memory itself, others are its side caches.
    pub const LEVEL: u8 = 0xf;
    /// In `flags`: the values hold for transfers of `minimum_transfer_size` and larger.
    pub const MINIMUM_TRANSFER: u8 = 1 << 4;
    /// In `flags`: the values hold for transfers that are not sequential.
    pub const NON_SEQUENTIAL: u8 = 1 << 5;
}

/// Type 2: a cache in front of a domain's memory; 16-bit SMBIOS handles follow (§5.2.28.5).
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct HmatSideCache {
    /// 2.
    pub structure_type: U16,
    /// Reserved.
    pub reserved1: U16,
    /// 32 and 2 bytes for each handle.
    pub length: U32,
    /// The memory's domain.
    pub memory_proximity_domain: U32,
    /// Reserved.
    pub reserved2: U32,
    /// Bytes in the cache.
    pub size: U64,
    /// From bit 0, four bits each: levels in all, this level, associativity, write policy; then 16 bits of line size.
    pub attributes: U32,
    /// Reserved.
    pub reserved3: U16,
    /// How many SMBIOS handles follow.
    pub number_of_smbios_handles: U16,
}

const _: () = {
    assert!(size_of::<HmatHeader>() == 40);
    assert!(size_of::<HmatProximityDomainAttributes>() == 40);
    assert!(size_of::<HmatLatencyAndBandwidth>() == 32);
    assert!(size_of::<HmatSideCache>() == 32);
};
