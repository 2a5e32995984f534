//! Memory: what there is, who hands it out, and where it is mapped.

pub mod address_space;
pub mod allocate;
pub mod cache_drain;
pub mod cpu_memory;
pub mod fail_allocation;
pub mod frames;
pub mod heap;
pub mod hotplug;
pub mod memory_context;
mod packed_policy;
pub mod page_counts;
pub mod page_setup;
pub mod page_tables;
pub mod policy_guard;
pub mod stack;

use bootloader_api::info::{MemoryRegion, MemoryRegionKind};
use memory_map::{MemoryMap, Owner};
use units::PhysRange;

/// Sorts the boot loader's memory regions out, and says what was odd about them.
pub fn read_memory_map(regions: &mut [MemoryRegion]) -> MemoryMap {
    let map = MemoryMap::new(regions, |region| {
        let owner = match region.kind {
            MemoryRegionKind::Usable => Owner::Nobody,
            MemoryRegionKind::Bootloader => Owner::Kernel,
            _ => Owner::Firmware,
        };
        (PhysRange::new(region.start, region.end), owner)
    });
    if map.overlaps {
        log::warn!(target: "memory", "memory regions overlap; what somebody owns is not used");
    }
    if map.lost_bytes > 0 {
        let (lost_mib, most) = (map.lost_bytes >> 20, memory_map::MAX_RANGES);
        log::warn!(target: "memory", "more than {most} separate ranges of memory: {lost_mib} MiB are not used");
    }
    map
}
