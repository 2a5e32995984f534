//! Tests of devices: claims, and the memory that is granted for DMA.
use super::{Outcome, Work};
use crate::arch;
use crate::devices::device_registry::{self, Device};
use crate::devices::dma::{self, DeviceAddress, DmaNeeds};
use crate::devices::release;
use crate::memory::allocate::Zeroed;
use crate::memory::frames;
use crate::platform::numa_topology;
use crate::selftest::ensure;
use crate::threads::owner::{Owner, OwnerName};
use alloc::string::String;
use alloc::vec;
use spin::Once;
use units::FRAME_SIZE;

/// The reason of tests that need a device that no driver owns.
const NO_DEVICE: &str = "there is no device that a driver could own";

/// Returns a driver that exists for tests and benchmarks only; `None` if there are too many drivers.
pub fn test_owner() -> Option<&'static Owner> {
    static OWNER: Once<Option<Owner>> = Once::new();
    OWNER.call_once(|| Owner::new(OwnerName::from("test").ok()?, 0..0)).as_ref()
}

/// Returns a device that no driver owns, on a node of its own if there is one.
pub fn free_device() -> Option<&'static Device> {
    let is_free = |device: &&Device| !device.is_kernels() && device.owner().is_none();
    let free = || device_registry::all().iter().filter(is_free);
    free().find(|device| device.node.is_some() && device.function.express.is_some()).or_else(|| free().next())
}

/// Grants of every form are what was asked for, and a release frees all of them.
pub fn dma_is_granted_as_asked_and_freed_with_its_device() -> Result<Work, String> {
    let (Some(device), Some(owner)) = (free_device(), test_owner()) else {
        return Ok(Work::Skipped(NO_DEVICE));
    };
    ensure!(dma::allocate(owner, device, &needs(1)).is_none(), "memory is granted for a device of nobody");
    ensure!(device.claim(owner), "a free device cannot be claimed");
    let outcome = grants(owner, device);
    ensure!(release::release(device, owner).is_some(), "a device is not given back");
    ensure!(release::release(device, owner).is_none(), "a device is given back twice");
    outcome?;
    Ok(Work::Done)
}

fn needs(bytes: u64) -> DmaNeeds<'static> {
    DmaNeeds { bytes, alignment: 1, boundary: None, highest: None, policy: None, zeroed: Zeroed::Yes }
}

fn grants(owner: &'static Owner, device: &'static Device) -> Outcome {
    for pages in [1, 2, 3, 5, 16, 100] {
        let bytes = pages * FRAME_SIZE - 7;
        let forms = [
            needs(bytes),
            DmaNeeds { alignment: 1 << 16, ..needs(bytes) },
            DmaNeeds { boundary: Some(bytes.next_power_of_two()), ..needs(bytes) },
            DmaNeeds { highest: Some(DeviceAddress((1 << 28) - 1)), ..needs(bytes) },
        ];
        for form in forms {
            check(owner, device, &form, pages)?;
        }
    }
    // More grants than a table begins with; the release frees them.
    let kept = dma::free_all(device);
    ensure!(kept <= 4, "{kept} pages are kept");
    let mut held = vec![];
    for _ in 0..1000 {
        let grant = dma::allocate(owner, device, &needs(1));
        held.push(grant.ok_or("no memory for 1000 grants of a page")?.frame);
    }
    // Small nodes have not as many, so the grants lie on several.
    let free =
        || numa_topology::get().nodes().iter().map(|node| frames::node_stats(node.id).free).sum::<u64>();
    let before = free();
    ensure!(dma::free_all(device) == held.len(), "not all grants of the device are freed");
    let freed = free() - before;
    ensure!(freed + 200 >= held.len() as u64, "only {freed} pages of 1000 are free again");
    ensure!(!dma::free(owner, DeviceAddress::of(held[0].address())), "memory is freed twice");
    Ok(())
}

fn check(owner: &'static Owner, device: &'static Device, form: &DmaNeeds<'_>, pages: u64) -> Outcome {
    let grant = dma::allocate(owner, device, form).ok_or("no memory for a grant")?;
    let (start, end) = (grant.frame.address().0, grant.frame.address().0 + pages * FRAME_SIZE);
    ensure!(grant.count == pages, "{pages} pages were wanted, {} granted", grant.count);
    ensure!(start.is_multiple_of(form.alignment), "{start:#x} is not aligned to {:#x}", form.alignment);
    let boundary = form.boundary.unwrap_or(u64::MAX);
    ensure!(start / boundary == (start + form.bytes - 1) / boundary, "{start:#x} crosses {boundary:#x}");
    if let Some(highest) = form.highest {
        ensure!(end - 1 <= highest.0, "{end:#x} is above {:#x}", highest.0);
    } else if let Some(node) = device.node.filter(|_| device.function.express.is_some()) {
        ensure!(grant.node == node.node && !grant.fell_back, "memory is on node {}", grant.node);
    }
    let memory = arch::physical_memory(grant.frame.address());
    // SAFETY: the frames were granted to this test, which makes no other reference to them.
    let bytes = unsafe { core::slice::from_raw_parts_mut(memory, (end - start) as usize) };
    ensure!(bytes.iter().all(|&byte| byte == 0), "the memory at {start:#x} is not zeroed");
    bytes.fill(0xa5);
    ensure!(!dma::free(owner, DeviceAddress(start + 1)), "an address inside a grant frees it");
    ensure!(dma::free(owner, DeviceAddress(start)), "the memory at {start:#x} is not freed");
    Ok(())
}
