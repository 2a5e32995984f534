//! What memory for DMA costs.
use super::measure;
use crate::devices::dma::{self, DeviceAddress, DmaNeeds};
use crate::devices::dma_map::DmaRegion;
use crate::devices::release;
use crate::memory::allocate::{self, Zeroed};
use crate::selftest::devices::{free_device, test_owner};
use core::hint::black_box;
use page_alloc::PageOwner;
use units::{FRAME_SIZE, VirtAddr};

/// Measures allocating and freeing a page for a device, and looking up the parts of memory for it.
pub fn run() {
    let (Some(device), Some(owner)) = (free_device(), test_owner()) else { return };
    if !device.claim(owner) {
        return;
    }
    let needs =
        |zeroed| DmaNeeds { bytes: 4096, alignment: 1, boundary: None, highest: None, policy: None, zeroed };
    for (name, needs) in [("dma.pair.4096", needs(Zeroed::No)), ("dma.pair.4096.zeroed", needs(Zeroed::Yes))]
    {
        measure(name, || {
            if let Some(grant) = dma::allocate(owner, device, black_box(&needs)) {
                dma::free(owner, DeviceAddress::of(grant.frame.address()));
            }
        });
    }
    if let Some(frame) = allocate::allocate_pages(4) {
        let memory = VirtAddr(crate::arch::physical_memory(frame.address()).addr() as u64);
        for (name, bytes) in [("dma.map.4096", FRAME_SIZE), ("dma.map.16384", 4 * FRAME_SIZE)] {
            measure(name, || {
                let region = DmaRegion::of(owner, memory, black_box(bytes), true);
                black_box(region.map(|region| region.parts().filter(Option::is_some).count()));
            });
        }
        allocate::free_pages(frame, 4, PageOwner::NOBODY);
    }
    release::release(device, owner);
}
