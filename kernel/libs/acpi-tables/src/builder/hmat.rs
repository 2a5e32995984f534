//! Builds the HMAT's structures and the MSCT's entries.
use alloc::vec::Vec;

use units::ProximityDomain;
use zerocopy::little_endian::U32;
use zerocopy::{FromZeros, IntoBytes};

use crate::wire::{
    HmatLatencyAndBandwidth, HmatProximityDomainAttributes, HmatSideCache, MsctProximityDomains,
    hmat_structure_type,
};

/// Builds an HMAT structure of type 0: memory, and the initiator that it is attached to.
#[must_use]
pub fn attachment(
    memory: ProximityDomain,
    initiator: Option<ProximityDomain>,
) -> HmatProximityDomainAttributes {
    let mut entry = HmatProximityDomainAttributes::new_zeroed();
    entry.structure_type = hmat_structure_type::PROXIMITY_DOMAIN_ATTRIBUTES.into();
    entry.length = (size_of::<HmatProximityDomainAttributes>() as u32).into();
    let initiator_flag = HmatProximityDomainAttributes::INITIATOR_VALID * u16::from(initiator.is_some());
    entry.flags = (HmatProximityDomainAttributes::MEMORY_VALID | initiator_flag).into();
    entry.initiator_proximity_domain = initiator.unwrap_or(ProximityDomain(0)).0.into();
    entry.memory_proximity_domain = memory.0.into();
    entry
}

/// Builds an HMAT structure of type 1 for memory itself. `values` are the table's numbers, a row for each initiator.
#[must_use]
pub fn latency_and_bandwidth(
    data_type: u8,
    unit: u64,
    initiators: &[u32],
    targets: &[u32],
    values: &[u16],
) -> Vec<u8> {
    let mut head = HmatLatencyAndBandwidth::new_zeroed();
    head.structure_type = hmat_structure_type::LATENCY_AND_BANDWIDTH.into();
    head.data_type = data_type;
    head.number_of_initiators = (initiators.len() as u32).into();
    head.number_of_targets = (targets.len() as u32).into();
    head.entry_base_unit = unit.into();
    let domains = initiators.iter().chain(targets).flat_map(|domain| domain.to_le_bytes());
    let tail = domains.chain(values.iter().flat_map(|value| value.to_le_bytes()));
    with_length(head.as_bytes().iter().copied().chain(tail).collect())
}

/// Builds an HMAT structure of type 2. The array contains levels, level, associativity and write policy.
#[must_use]
pub fn side_cache(
    memory: ProximityDomain,
    size: u64,
    [levels, level, associativity, write_policy]: [u8; 4],
    line_size: u16,
    smbios_handles: &[u16],
) -> Vec<u8> {
    let mut head = HmatSideCache::new_zeroed();
    head.structure_type = hmat_structure_type::SIDE_CACHE.into();
    head.memory_proximity_domain = memory.0.into();
    head.size = size.into();
    let attributes =
        [levels | level << 4, associativity | write_policy << 4, line_size as u8, (line_size >> 8) as u8];
    head.attributes = U32::from_bytes(attributes);
    head.number_of_smbios_handles = (smbios_handles.len() as u16).into();
    let tail = smbios_handles.iter().flat_map(|handle| handle.to_le_bytes());
    with_length(head.as_bytes().iter().copied().chain(tail).collect())
}

/// Builds an MSCT entry with the limits of the domains from `first` to `last`.
#[must_use]
pub fn msct_domains(first: u32, last: u32, max_cpus: u32, max_memory: u64) -> MsctProximityDomains {
    MsctProximityDomains {
        revision: 1,
        length: size_of::<MsctProximityDomains>() as u8,
        first_domain: first.into(),
        last_domain: last.into(),
        maximum_processors: max_cpus.into(),
        maximum_memory: max_memory.into(),
    }
}

fn with_length(mut structure: Vec<u8>) -> Vec<u8> {
    let length = structure.len() as u32;
    structure[4..8].copy_from_slice(&length.to_le_bytes());
    structure
}
