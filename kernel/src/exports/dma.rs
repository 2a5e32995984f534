//! The exports about DMA.
use super::caller;
use super::numa::read_policy;
use super::pointer::{Access, DriverPointer};
use crate::arch;
use crate::block;
use crate::cpu;
use crate::devices::device_registry::{self, Device};
use crate::devices::dma::{self, DeviceAddress, DmaNeeds};
use crate::devices::dma_map::{DmaPart, DmaRegion};
use crate::devices::report_refused::{self, Misuse};
use crate::memory::allocate::Zeroed;
use crate::platform::numa_topology;
use crate::threads::owner::Owner;
use abi::{DMA_FROM_DEVICE, DMA_NOT_ZEROED, DMA_TO_DEVICE, DmaGrant, DmaRequest, DmaSegment};
use core::ffi::{c_int, c_void};
use page_alloc::{Grant, NodeWeights};
use units::{FRAME_SIZE, VirtAddr};

/// What an export returns for arguments that it refuses.
const NONE: c_int = -1;

pub unsafe extern "C" fn allocate_dma(request: *const DmaRequest, grant: *mut DmaGrant) -> bool {
    // SAFETY: the condition of all exports (see the folder's `mod.rs`).
    unsafe { allocate_if(request, grant, |_| true) }
}

/// Allocates DMA memory, which goes back if `keep` returns false.
///
/// # Safety
/// The condition of all exports.
pub unsafe fn allocate_if(
    request: *const DmaRequest,
    grant: *mut DmaGrant,
    keep: impl FnOnce(&Grant) -> bool,
) -> bool {
    // SAFETY: `# Safety` is the same.
    let (request, grant) = unsafe { (DriverPointer::new(request), DriverPointer::new(grant)) };
    let allocate = || {
        let owner = caller::driver_of_thread("Kernel_AllocateDma")?;
        let request = request.read_sized()?;
        let device = device_registry::find_owned(request.Device, owner, "Kernel_AllocateDma")?;
        let mut weights = None;
        let needs = needs_of(&request, &mut weights)?;
        let size = grant.check_sized(Access::Write)?;
        let granted = dma::allocate(owner, device, &needs)?;
        if !keep(&granted) {
            dma::free(owner, DeviceAddress::of(granted.frame.address()));
            return None;
        }
        grant.write(dma_grant(size, device, &granted, &needs))
    };
    allocate().is_some()
}

/// Returns what a driver's request describes; `None` if a part of it is invalid. A weighted policy refers to the copy of its weights that
/// this function puts into `weights`.
fn needs_of<'w>(request: &DmaRequest, weights: &'w mut Option<NodeWeights>) -> Option<DmaNeeds<'w>> {
    let is_power = |number: u64| number == 0 || number.is_power_of_two();
    let fits = request.Boundary == 0 || request.Bytes <= request.Boundary;
    if request.Flags & !DMA_NOT_ZEROED != 0
        || request.Reserved != 0
        || request.Bytes == 0
        || !is_power(request.Alignment)
        || !is_power(request.Boundary)
        || !fits
    {
        return None;
    }
    // SAFETY: by the condition of `DriverPointer::new` for the request, which holds for what the request points at.
    let policy = unsafe { DriverPointer::new(request.Policy) };
    Some(DmaNeeds {
        bytes: request.Bytes,
        alignment: request.Alignment.max(1),
        boundary: (request.Boundary != 0).then_some(request.Boundary),
        highest: (request.HighestAddress != 0).then_some(DeviceAddress(request.HighestAddress)),
        policy: if policy.is_null() { None } else { Some(read_policy(policy, weights)?) },
        zeroed: if request.Flags & DMA_NOT_ZEROED != 0 { Zeroed::No } else { Zeroed::Yes },
    })
}

/// Returns a grant as the ABI describes it, in a structure of `size` bytes.
fn dma_grant(size: u32, device: &Device, grant: &Grant, needs: &DmaNeeds<'_>) -> DmaGrant {
    let from = device.node.map_or_else(|| cpu::current().node, |node| node.node);
    let distance = numa_topology::get().distance(from, grant.node);
    // Of a whole page, the part up to a boundary within it is granted.
    let bytes = (grant.count * FRAME_SIZE).min(needs.boundary.unwrap_or(u64::MAX));
    DmaGrant {
        Size: size,
        Node: grant.node.index() as i32,
        Memory: arch::physical_memory(grant.frame.address()).cast(),
        DeviceAddress: DeviceAddress::of(grant.frame.address()).0,
        Bytes: bytes,
        Distance: distance.map_or(0, u32::from),
        FellBack: u32::from(grant.fell_back),
    }
}

pub extern "C" fn free_dma(address: u64) -> bool {
    let Some(owner) = caller::driver_of_thread("Kernel_FreeDma") else { return false };
    let is_freed = dma::free(owner, DeviceAddress(address));
    if !is_freed {
        report_no_memory(owner, address);
    }
    is_freed
}

#[cold]
fn report_no_memory(owner: &'static Owner, address: u64) {
    let description =
        format_args!("passed {address:#x} to Kernel_FreeDma, which is no memory of its devices");
    report_refused::report(owner, Misuse::NoDmaMemory, description);
}

pub unsafe extern "C" fn map_dma(
    device: c_int,
    memory: *mut c_void,
    size: usize,
    direction: u32,
    segments: *mut DmaSegment,
    count: c_int,
) -> c_int {
    // SAFETY: the condition of all exports (see the folder's `mod.rs`).
    let segments = unsafe { DriverPointer::new(segments) };
    let map = || {
        let owner = caller::driver()?;
        find_usable(device, owner, "Kernel_MapDma")?;
        if direction == 0 || direction & !(DMA_TO_DEVICE | DMA_FROM_DEVICE) != 0 {
            return None;
        }
        let room = usize::try_from(count).ok()?;
        let is_written = direction & DMA_FROM_DEVICE != 0;
        let region = DmaRegion::of(owner, VirtAddr(memory.addr() as u64), size as u64, is_written)?;
        let mut used = 0;
        for part in region.parts() {
            part?;
            used += 1;
            if used > room {
                return None;
            }
        }
        segments.write_each(used, region.parts().flatten().map(segment))?;
        Some(used as c_int)
    };
    map().unwrap_or(NONE)
}

/// Returns the device if memory may be made accessible to it for this driver: the driver owns it, or it serves a block device, to which
/// any driver submits requests.
#[inline]
fn find_usable(id: c_int, owner: &'static Owner, function: &'static str) -> Option<&'static Device> {
    let device = device_registry::find(id).filter(|device| device.is_of(owner) || block::is_served_by(id));
    device.or_else(|| device_registry::find_owned(id, owner, function))
}

fn segment(part: DmaPart) -> DmaSegment {
    DmaSegment { Address: part.address.0, Bytes: part.bytes }
}

pub unsafe extern "C" fn unmap_dma(device: c_int, segments: *const DmaSegment, count: c_int) -> bool {
    // SAFETY: the condition of all exports (see the folder's `mod.rs`).
    let segments = unsafe { DriverPointer::new(segments) };
    let unmap = || {
        let owner = caller::driver()?;
        find_usable(device, owner, "Kernel_UnmapDma")?;
        // Without an IOMMU there is nothing to take back.
        segments.check_array(usize::try_from(count).ok()?)
    };
    unmap().is_some()
}
