//! DMA memory, and memory of the driver that a device accesses.
use super::numa::read_policy;
use crate::arguments::{can_write, can_write_sized, read_array, read_sized};
use crate::contexts::Owner;
use crate::enter;
use crate::finding::Kind;
use crate::iommu::{Limits, Window};
use crate::ownership::free_dma;
use crate::regions::{PAGE, POISON, Use, is_readable, is_writable};
use crate::world::{World, with};
use abi::{DMA_FROM_DEVICE, DMA_NOT_ZEROED, DMA_TO_DEVICE, DmaGrant, DmaRequest, DmaSegment};
use std::ffi::{c_int, c_void};

/// The most bytes of one call of `Kernel_MapDma`.
const MOST_MAPPED: usize = 1 << 30;
/// The highest address that a function of conventional PCI reaches.
const CONVENTIONAL_LIMIT: u64 = u32::MAX as u64;

fn is_valid(request: &DmaRequest) -> bool {
    let is_power = |number: u64| number == 0 || number.is_power_of_two();
    request.Bytes > 0
        && request.Reserved == 0
        && request.Flags & !DMA_NOT_ZEROED == 0
        && is_power(request.Alignment)
        && is_power(request.Boundary)
        && (request.Boundary == 0 || request.Boundary >= request.Bytes)
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn Kernel_AllocateDma(request: *const DmaRequest, to: *mut DmaGrant) -> bool {
    if !enter::may_wait("Kernel_AllocateDma") {
        return false;
    }
    let Some(request) = read_sized(request).filter(|_| can_write_sized(to)) else { return false };
    let granted = with(|world| {
        let device = enter::owned(world, "Kernel_AllocateDma", request.Device)?;
        if is_valid(&request) { grant(world, device, &request) } else { None }
    });
    let Some(grant) = granted else { return false };
    // SAFETY: the structure is there, and the driver may have it written.
    unsafe { to.write(DmaGrant { Size: (*to).Size, ..grant }) };
    true
}

fn grant(world: &mut World, device: usize, request: &DmaRequest) -> Option<DmaGrant> {
    let of_device = world.devices.all[device].pci.node;
    let near = of_device.unwrap_or(world.node_here());
    let nodes = if request.Policy.is_null() {
        world.machine.nearest(near)
    } else {
        let here = world.node_here();
        read_policy(world, request.Policy)?.order(&world.machine, here)
    };
    if !world.may_allocate() {
        return None;
    }
    let bytes = usize::try_from(request.Bytes).ok()?;
    let pages = request.Bytes.div_ceil(PAGE as u64);
    let limit = if world.devices.all[device].pci.is_express { u64::MAX } else { CONVENTIONAL_LIMIT };
    let highest = if request.HighestAddress == 0 { limit } else { request.HighestAddress };
    let limits = Limits { alignment: request.Alignment.max(1), boundary: request.Boundary, highest };
    let node = world.memory.take(&world.machine, &nodes, pages)?;
    let fill = if request.Flags & DMA_NOT_ZEROED != 0 { POISON } else { 0 };
    let alignment = request.Alignment.clamp(PAGE as u64, 2 << 20) as usize;
    let place = world.iommu.place(request.Bytes, limits);
    let memory = place.and_then(|_| world.regions.allocate(bytes, alignment, Use::Dma, Some(fill)));
    let (Some(address), Some(memory)) = (place, memory) else {
        world.memory.give_back(node, pages);
        return None;
    };
    world.iommu.open(
        address,
        Window {
            device,
            bytes: request.Bytes,
            memory: memory.expose_provenance(),
            direction: DMA_TO_DEVICE | DMA_FROM_DEVICE,
            is_grant: true,
            is_tests: world.contexts.here().owner == Owner::Test,
            taken: (node, pages),
            is_over: false,
        },
    );
    Some(DmaGrant {
        Size: 0,
        Node: node as i32,
        Memory: memory.cast(),
        DeviceAddress: address,
        Bytes: request.Bytes,
        Distance: world.machine.distance_of(near, node),
        FellBack: u32::from(node != nodes[0]),
    })
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn Kernel_FreeDma(address: u64) -> bool {
    if !enter::may_wait("Kernel_FreeDma") {
        return false;
    }
    with(|world| {
        let caller = world.caller();
        let is_its = |world: &World| {
            let window = world.iommu.open_windows().find(|(at, _)| *at == address);
            window.is_some_and(|(_, window)| world.devices.all[window.device].owner == Some(caller))
        };
        if is_its(world) && free_dma(world, address) {
            return true;
        }
        let text = format!("Kernel_FreeDma was called for {address:#x}, where no DMA memory in use begins");
        world.found(Kind::BadFree, text);
        false
    })
}

/// Returns the index of a device that the caller owns, or that serves a block device.
fn reachable(world: &mut World, name: &str, device: c_int) -> Option<usize> {
    let index = world.devices.find(device);
    if index.is_some() && world.blocks.all.iter().any(|block| block.driver.Device == device) {
        return index;
    }
    enter::owned(world, name, device)
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn Kernel_MapDma(
    device: c_int,
    memory: *mut c_void,
    size: usize,
    direction: u32,
    segments: *mut DmaSegment,
    count: c_int,
) -> c_int {
    enter::any();
    let start = memory.expose_provenance();
    let mapped = with(|world| {
        let device = reachable(world, "Kernel_MapDma", device)?;
        let most = if enter::is_atomic(world) { abi::KERNEL_DMA_HANDLER_BYTES as usize } else { MOST_MAPPED };
        let is_known = direction != 0 && direction & !(DMA_TO_DEVICE | DMA_FROM_DEVICE) == 0;
        if size == 0 || size > most || !is_known || !is_readable(start, size) {
            return None;
        }
        if direction & DMA_FROM_DEVICE != 0 && !is_writable(start, size) {
            return None;
        }
        let parts = parts(start, size, world.machine.one_page_segments);
        if parts.len() > usize::try_from(count).ok()? || !can_write(segments, parts.len()) {
            return None;
        }
        let limits = Limits {
            alignment: PAGE as u64,
            boundary: 0,
            highest: if world.devices.all[device].pci.is_express { u64::MAX } else { CONVENTIONAL_LIMIT },
        };
        let mut mapped = Vec::new();
        for (memory, bytes) in parts {
            // The address keeps its place in a page.
            let within = (memory % PAGE) as u64;
            let address = world.iommu.place(within + bytes as u64, limits)? + within;
            let bytes = bytes as u64;
            let taken = (0, 0);
            let is_tests = world.caller() == Owner::Test;
            let window =
                Window { device, bytes, memory, direction, is_grant: false, is_tests, taken, is_over: false };
            world.iommu.open(address, window);
            mapped.push(DmaSegment { Address: address, Bytes: bytes });
        }
        Some(mapped)
    });
    let Some(mapped) = mapped else { return -1 };
    for (index, segment) in mapped.iter().enumerate() {
        // SAFETY: the driver may have so many segments written.
        unsafe { segments.add(index).write(*segment) };
    }
    mapped.len() as c_int
}

/// Cuts memory at the ends of pages, if it is scattered.
fn parts(start: usize, size: usize, is_scattered: bool) -> Vec<(usize, usize)> {
    if !is_scattered {
        return vec![(start, size)];
    }
    let mut parts = Vec::new();
    let (mut at, end) = (start, start + size);
    while at < end {
        let next = ((at / PAGE + 1) * PAGE).min(end);
        parts.push((at, next - at));
        at = next;
    }
    parts
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn Kernel_UnmapDma(
    device: c_int,
    segments: *const DmaSegment,
    count: c_int,
) -> bool {
    enter::any();
    let Some(segments) = usize::try_from(count)
        .ok()
        .and_then(|count| read_array(segments, count))
        .filter(|_| !segments.is_null())
    else {
        return false;
    };
    with(|world| {
        if reachable(world, "Kernel_UnmapDma", device).is_none() {
            return false;
        }
        for segment in segments {
            if world.iommu.close(segment.Address, false).is_none() {
                let text =
                    format!("Kernel_UnmapDma was called for {:#x}, which is not mapped", segment.Address);
                world.found(Kind::BadFree, text);
            }
        }
        true
    })
}
