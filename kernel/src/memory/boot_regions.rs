//! The boot loader's memory regions, read into a [`MemoryMap`].
use crate::platform::findings;
use ::address_space::layout::{PHYSICAL_MEMORY, PHYSICAL_MEMORY_END};
use acpi_tables::{Finding, MemoryMapFault, Signature};
use bootloader_api::info::{MemoryRegion, MemoryRegionKind};
use memory_map::{MemoryMap, Owner};
use units::{PhysAddr, PhysRange};

/// Where the map of physical memory ends.
const LIMIT: PhysAddr = PhysAddr(PHYSICAL_MEMORY_END.0 - PHYSICAL_MEMORY.0);

/// Returns the memory map that the boot loader's regions describe. Sorts the regions in place, and logs what is wrong with them.
pub fn read_memory_map(regions: &mut [MemoryRegion]) -> MemoryMap {
    let map = MemoryMap::new(regions, LIMIT, |region| {
        let owner = match region.kind {
            MemoryRegionKind::Usable => Owner::Nobody,
            MemoryRegionKind::Bootloader => Owner::Kernel,
            _ => Owner::Firmware,
        };
        (PhysRange::new(region.start, region.end), owner)
    });
    if map.overlaps {
        log::warn!(target: "memory", "memory regions overlap; the kernel does not use the overlaps");
    }
    if map.lost_bytes > 0 {
        let (lost_mib, most) = (map.lost_bytes >> 20, memory_map::MAX_RANGES);
        log::warn!(target: "memory", "more than {most} separate ranges of memory: {lost_mib} MiB are not used");
    }
    if map.bytes_above > 0 {
        let fault = MemoryMapFault::Above { mib: map.bytes_above.div_ceil(1 << 20), limit: LIMIT };
        findings::report(Finding::new(Signature::MEMORY_MAP, 0, fault));
    }
    map
}
