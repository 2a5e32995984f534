//! Devices: finding and claiming them, their configuration space, and their registers.
use crate::arguments::{can_write_sized, put_name, read_sized};
use crate::contexts::Owner;
use crate::devices::Registers;
use crate::enter;
use crate::finding::Kind;
use crate::model::Bus;
use crate::ownership;
use crate::pci::find_capability;
use crate::regions::{PAGE, Use};
use crate::world::{World, with};
use abi::{DeviceBar, DeviceInfo, DeviceMatch};
use std::ffi::{c_int, c_void};
use std::ptr::null_mut;

/// What `Kernel_EnableDevice` takes.
const ENABLE: u32 = abi::DEVICE_MEMORY | abi::DEVICE_IO | abi::DEVICE_BUS_MASTER;

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn Kernel_FindDevice(wanted: *const DeviceMatch, after: c_int) -> c_int {
    if !enter::may_wait("Kernel_FindDevice") {
        return -1;
    }
    let Some(wanted) = read_sized(wanted).filter(|wanted| wanted.Flags == 0) else { return -1 };
    with(|world| {
        let first = if after == 0 { 0 } else { world.devices.find(after)? + 1 };
        let behind = world.devices.all[first..].iter();
        behind.filter(|device| !device.is_gone).find(|device| device.matches(&wanted)).map(|device| device.id)
    })
    .unwrap_or(-1)
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn Kernel_GetDeviceInfo(device: c_int, to: *mut DeviceInfo) -> bool {
    enter::any();
    let info = with(|world| Some(describe(world, world.devices.find(device)?)));
    let Some(mut info) = info.filter(|_| can_write_sized(to)) else { return false };
    // SAFETY: the structure is there, and the driver may have it written.
    unsafe {
        info.Size = (*to).Size;
        to.write(info);
    }
    true
}

fn describe(world: &World, index: usize) -> DeviceInfo {
    let device = &world.devices.all[index];
    let pci = &device.pci;
    let mut info = DeviceInfo {
        Slot: index as u8 & 31,
        Bus: (index / 32) as u8,
        Revision: pci.revision,
        VendorId: pci.vendor,
        DeviceId: pci.device,
        SubVendorId: pci.subsystem.0,
        SubDeviceId: pci.subsystem.1,
        Class: pci.class,
        Node: pci.node.map_or(-1, |node| node as i32),
        NodeSource: pci.node.map_or(abi::DEVICE_NODE_NONE, |_| abi::DEVICE_NODE_PXM),
        MsixVectors: pci.msix,
        MsiVectors: pci.msi,
        IntxPin: u32::from(pci.pin),
        ..DeviceInfo::default()
    };
    for (bar, spec) in pci.bars.iter().enumerate() {
        if let Some(spec) = spec {
            let address = pci.bar_address(index, bar);
            info.Bars[bar] = DeviceBar { Address: address, Size: spec.bytes, Flags: spec.flags, Reserved: 0 };
        }
    }
    match device.owner {
        Some(Owner::Driver) => put_name(&world.driver.name, &mut info.Owner),
        Some(Owner::Test) => put_name("test", &mut info.Owner),
        None => {}
    }
    info
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn Kernel_ClaimDevice(device: c_int) -> bool {
    if !enter::may_wait("Kernel_ClaimDevice") {
        return false;
    }
    with(|world| {
        let caller = world.caller();
        let Some(index) = world.devices.find(device) else {
            let text = format!("Kernel_ClaimDevice was called for {device:#x}, which is no device");
            world.found(Kind::StaleId, text);
            return false;
        };
        let owner = &mut world.devices.all[index].owner;
        *owner.get_or_insert(caller) == caller
    })
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn Kernel_ReleaseDevice(device: c_int) {
    if !enter::may_wait("Kernel_ReleaseDevice") {
        return;
    }
    if let Some(index) = with(|world| enter::owned(world, "Kernel_ReleaseDevice", device)) {
        ownership::release(index);
    }
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn Kernel_EnableDevice(device: c_int, what: u32) -> bool {
    if !enter::may_wait("Kernel_EnableDevice") {
        return false;
    }
    with(|world| {
        let Some(index) = enter::owned(world, "Kernel_EnableDevice", device) else { return false };
        let device = &mut world.devices.all[index];
        if what & !ENABLE != 0 || device.is_gone {
            return false;
        }
        device.enabled = what;
        true
    })
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn Kernel_ResetDevice(device: c_int) -> bool {
    if !enter::may_wait("Kernel_ResetDevice") {
        return false;
    }
    let index = with(|world| enter::owned(world, "Kernel_ResetDevice", device));
    index.is_some_and(ownership::reset)
}

fn is_register(offset: u32, width: u32) -> bool {
    matches!(width, 1 | 2 | 4) && offset.is_multiple_of(width) && offset < 4096
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn Kernel_ReadDeviceConfig(device: c_int, offset: u32, width: u32) -> u32 {
    enter::any();
    with(|world| {
        let index = enter::owned(world, "Kernel_ReadDeviceConfig", device)?;
        let device = &world.devices.all[index];
        if !is_register(offset, width) || device.is_gone {
            return None;
        }
        let bytes = &device.config[offset as usize..][..width as usize];
        let mut value = bytes.iter().rev().fold(0, |value, byte| value << 8 | u32::from(*byte));
        if offset <= 4 && offset + width > 4 {
            let command = (device.enabled & 1) << 1 | (device.enabled & 2) >> 1 | device.enabled & 4;
            value |= command << (8 * (4 - offset));
        }
        Some(value)
    })
    .unwrap_or(u32::MAX)
}

/// Returns true if a register is the kernel's: most of the header, MSI, MSI-X, and what resets the device.
fn is_kernels(config: &[u8], offset: u32, width: u32) -> bool {
    let end = offset + width;
    let overlaps = |first: u32, bytes: u32| offset < first + bytes && end > first;
    let free = [(6, 2), (0x0c, 2)];
    if offset < 0x40 {
        return !free.iter().any(|(first, bytes)| offset >= *first && end <= first + bytes);
    }
    let parts = [(0x05, 0, 24), (0x11, 0, 12), (0x10, 8, 2)];
    parts.into_iter().any(|(id, at, bytes)| {
        find_capability(config, id, 0).is_some_and(|capability| overlaps(capability + at, bytes))
    })
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn Kernel_WriteDeviceConfig(
    device: c_int,
    offset: u32,
    width: u32,
    value: u32,
) -> bool {
    enter::any();
    let written = with(|world| {
        let index = enter::owned(world, "Kernel_WriteDeviceConfig", device)?;
        let device = &mut world.devices.all[index];
        if !is_register(offset, width) || device.is_gone || is_kernels(&device.config, offset, width) {
            return None;
        }
        let bytes = value.to_le_bytes();
        device.config[offset as usize..][..width as usize].copy_from_slice(&bytes[..width as usize]);
        Some((index, device.model.clone()))
    });
    let Some((device, model)) = written else { return false };
    model.borrow_mut().write_config(&Bus { device }, offset, width, value);
    true
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn Kernel_FindDeviceCapability(device: c_int, id: u32, after: c_int) -> c_int {
    enter::any();
    with(|world| {
        let index = world.devices.find(device)?;
        let found = find_capability(&world.devices.all[index].config, id, u32::try_from(after).ok()?)?;
        Some(found as c_int)
    })
    .unwrap_or(-1)
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn Kernel_MapDeviceMemory(
    device: c_int,
    bar: c_int,
    offset: u64,
    size: u64,
    caching: u32,
) -> *mut c_void {
    if !enter::may_wait("Kernel_MapDeviceMemory") {
        return null_mut();
    }
    with(|world| {
        let device = enter::owned(world, "Kernel_MapDeviceMemory", device)?;
        let spec =
            usize::try_from(bar).ok().and_then(|bar| *world.devices.all[device].pci.bars.get(bar)?)?;
        let is_in_bar = offset.checked_add(size).is_some_and(|end| end <= spec.bytes);
        let other = world.devices.registers.iter().any(|registers| {
            let same_bar = (registers.device, registers.bar) == (device, bar as u32);
            same_bar
                && registers.caching != caching
                && offset / PAGE as u64 <= (registers.offset + registers.bytes - 1) / PAGE as u64
                && registers.offset / PAGE as u64 <= (offset + size.max(1) - 1) / PAGE as u64
        });
        if size == 0
            || !is_in_bar
            || spec.flags & abi::DEVICE_BAR_IO != 0
            || caching > abi::DEVICE_WRITE_COMBINED
            || other
            || !world.may_allocate()
        {
            return None;
        }
        // The part keeps its place in a page.
        let within = offset % PAGE as u64;
        let bytes = (within + size) as usize;
        let base = world.regions.allocate(bytes, PAGE, Use::Registers, None)?.expose_provenance();
        let pages = world.regions.find(base)?.pages();
        let start = base + within as usize;
        let bar = bar as u32;
        world.devices.registers.push(Registers { start, device, bar, offset, bytes: size, pages, caching });
        Some(crate::regions::pointer(start).cast())
    })
    .unwrap_or(null_mut())
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn Kernel_UnmapDeviceMemory(memory: *mut c_void) -> bool {
    if !enter::may_wait("Kernel_UnmapDeviceMemory") {
        return false;
    }
    let start = memory.expose_provenance();
    with(|world| {
        let caller = world.caller();
        let is_it = |registers: &Registers| {
            registers.start == start && world.devices.all[registers.device].owner == Some(caller)
        };
        let Some(index) = world.devices.registers.iter().position(is_it) else {
            let text = format!("Kernel_UnmapDeviceMemory was called for {start:#x}, which is no mapping");
            world.found(Kind::BadFree, text);
            return false;
        };
        ownership::unmap(world, index);
        true
    })
}
