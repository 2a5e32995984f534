//! The exports about devices: finding and claiming them, and their configuration space.
use super::caller;
use super::pointer::{Access, DriverPointer};
use crate::devices::device_registry::{self, Device};
use crate::devices::mappings::{self, DeviceCaching};
use crate::devices::report_refused::{self, Misuse};
use crate::devices::{power, release};
use crate::threads::owner::Owner;
use abi::{
    DEVICE_BAR_64, DEVICE_BAR_IO, DEVICE_BAR_PREFETCHABLE, DEVICE_BAR_PRESENT, DEVICE_BUS_MASTER,
    DEVICE_CAPABILITY_EXTENDED, DEVICE_IO, DEVICE_MEMORY, DEVICE_NODE_INHERITED, DEVICE_NODE_NONE,
    DEVICE_NODE_PXM, DEVICE_NODE_SRAT, DEVICE_UNCACHED, DEVICE_WRITE_COMBINED, DeviceBar, DeviceInfo,
    DeviceMatch,
};
use core::ffi::{c_char, c_int, c_void};
use device_nodes::NodeSource;
use device_table::match_of;
use pci::{Bar, BarKind, BarPart, CapabilityId, ConfigPart, ConfigSpace, Function, command};
use units::VirtAddr;

const _: () = {
    assert!(NodeSource::Pxm as u32 == DEVICE_NODE_PXM);
    assert!(NodeSource::Srat as u32 == DEVICE_NODE_SRAT);
    assert!(NodeSource::Bridge as u32 == DEVICE_NODE_INHERITED);
};

/// What an export returns for no device, or for arguments that it refuses.
const NONE: c_int = -1;
/// What a refused read of configuration space returns.
const ALL_ONES: u32 = u32::MAX;

/// Returns the device that the running thread's driver names, if the driver owns it.
fn own_device(device: c_int, function: &'static str) -> Option<(&'static Device, &'static Owner)> {
    let owner = caller::driver_of_thread(function)?;
    Some((device_registry::find_owned(device, owner, function)?, owner))
}

pub unsafe extern "C" fn find_device(wanted: *const DeviceMatch, after: c_int) -> c_int {
    // SAFETY: the condition of all exports (see the folder's `mod.rs`).
    let wanted = unsafe { DriverPointer::new(wanted) };
    let find = || {
        caller::driver_of_thread("Kernel_FindDevice")?;
        let wanted = match_of(&wanted.read_sized()?)?;
        let first = if after == 0 { 0 } else { device_registry::find(after)?.slot() + 1 };
        let mut devices = device_registry::all().get(first..)?.iter();
        devices.find(|device| wanted.accepts(&device.function) && !device.is_gone())
    };
    find().map_or(NONE, Device::id)
}

pub unsafe extern "C" fn get_device_info(device: c_int, info: *mut DeviceInfo) -> bool {
    // SAFETY: the condition of all exports (see the folder's `mod.rs`).
    let info = unsafe { DriverPointer::new(info) };
    let fill = || {
        let size = info.check_sized(Access::Write)?;
        info.write(info_of(device_registry::find(device)?, size))
    };
    fill().is_some()
}

/// Describes a device in a structure of `size` bytes.
fn info_of(device: &Device, size: u32) -> DeviceInfo {
    let Function { address, vendor, device: id, subsystem_vendor, subsystem, class, revision, .. } =
        device.function;
    let mut owner = [0; 32];
    if let Some(driver) = device.owner() {
        // The last byte stays zero.
        for (to, from) in owner[..31].iter_mut().zip(driver.name().bytes()) {
            *to = from as c_char;
        }
    }
    DeviceInfo {
        Size: size,
        Segment: address.segment().into(),
        Bus: address.bus(),
        Slot: address.device(),
        Function: address.function(),
        Revision: revision,
        VendorId: vendor,
        DeviceId: id,
        SubVendorId: subsystem_vendor,
        SubDeviceId: subsystem,
        Class: class.0,
        Node: device.node.map_or(NONE, |node| node.node.index() as i32),
        NodeSource: device.node.map_or(DEVICE_NODE_NONE, |node| node.source as u32),
        MsixVectors: device.function.msi_x.map_or(0, |msi_x| msi_x.vectors),
        MsiVectors: device.function.msi.map_or(0, |msi| msi.vectors.into()),
        IntxPin: device.function.pin.into(),
        Bars: device.function.bars.map(|bar| bar.map_or(DeviceBar::default(), bar_info)),
        Owner: owner,
    }
}

fn bar_info(bar: Bar) -> DeviceBar {
    let prefetchable = |is: bool| if is { DEVICE_BAR_PREFETCHABLE } else { 0 };
    let kind = match bar.kind {
        BarKind::Io => DEVICE_BAR_IO,
        BarKind::Memory32 { prefetchable: is } => prefetchable(is),
        BarKind::Memory64 { prefetchable: is } => DEVICE_BAR_64 | prefetchable(is),
    };
    DeviceBar { Address: bar.address, Size: bar.size, Flags: DEVICE_BAR_PRESENT | kind, Reserved: 0 }
}

pub extern "C" fn claim_device(device: c_int) -> bool {
    let claim = || {
        let owner = caller::driver_of_thread("Kernel_ClaimDevice")?;
        Some(device_registry::find(device)?.claim(owner))
    };
    claim().unwrap_or(false)
}

pub extern "C" fn release_device(device: c_int) {
    if let Some((device, owner)) = own_device(device, "Kernel_ReleaseDevice") {
        release::release(device, owner);
    }
}

pub extern "C" fn enable_device(device: c_int, what: u32) -> bool {
    let Some((device, owner)) = own_device(device, "Kernel_EnableDevice") else { return false };
    if what & !(DEVICE_MEMORY | DEVICE_IO | DEVICE_BUS_MASTER) != 0 {
        return false;
    }
    let bit = |asked: u32, bit: u16| if what & asked != 0 { bit } else { 0 };
    let bits = bit(DEVICE_MEMORY, command::MEMORY)
        | bit(DEVICE_IO, command::IO)
        | bit(DEVICE_BUS_MASTER, command::BUS_MASTER);
    power::enable(device, owner, bits)
}

pub extern "C" fn reset_device(device: c_int) -> bool {
    own_device(device, "Kernel_ResetDevice").is_some_and(|(device, owner)| power::reset(device, owner))
}

pub extern "C" fn read_device_config(device: c_int, offset: u32, width: u32) -> u32 {
    let read = || {
        let owner = caller::driver()?;
        let device = device_registry::find_owned(device, owner, "Kernel_ReadDeviceConfig")?;
        let part = ConfigPart::new(offset, width)?;
        device.with_config(owner, |config| config.read_part(device.function.address, part))
    };
    read().unwrap_or(ALL_ONES)
}

pub extern "C" fn write_device_config(device: c_int, offset: u32, width: u32, value: u32) -> bool {
    let write = || {
        let owner = caller::driver()?;
        let device = device_registry::find_owned(device, owner, "Kernel_WriteDeviceConfig")?;
        let part = ConfigPart::new(offset, width).filter(|part| device.registers.may_write(*part, value))?;
        device.with_config(owner, |config| config.write_part(device.function.address, part, value))
    };
    write().is_some()
}

pub extern "C" fn find_device_capability(device: c_int, id: u32, after: c_int) -> c_int {
    let find = || {
        let function = &device_registry::find(device)?.function;
        let id = match u8::try_from(id) {
            Ok(id) => CapabilityId::Plain(id),
            Err(_) => {
                CapabilityId::Extended(u16::try_from(id.checked_sub(DEVICE_CAPABILITY_EXTENDED)?).ok()?)
            }
        };
        let after = if after == 0 { None } else { Some(u16::try_from(after).ok()?) };
        device_registry::find_capability(function, id, after)
    };
    find().map_or(NONE, c_int::from)
}

pub extern "C" fn map_device_memory(
    device: c_int,
    bar: c_int,
    offset: u64,
    size: u64,
    caching: u32,
) -> *mut c_void {
    let map = || {
        let (device, owner) = own_device(device, "Kernel_MapDeviceMemory")?;
        let caching = match caching {
            DEVICE_UNCACHED => DeviceCaching::Uncached,
            DEVICE_WRITE_COMBINED => DeviceCaching::WriteCombined,
            _ => return None,
        };
        let part = BarPart::of(&device.function, usize::try_from(bar).ok()?, offset, size)?;
        mappings::map(device, owner, &part, caching)
    };
    map().map_or(core::ptr::null_mut(), |address| core::ptr::with_exposed_provenance_mut(address.0 as usize))
}

pub extern "C" fn unmap_device_memory(memory: *mut c_void) -> bool {
    let Some(owner) = caller::driver_of_thread("Kernel_UnmapDeviceMemory") else { return false };
    let is_unmapped = mappings::unmap(owner, VirtAddr(memory.addr() as u64));
    if !is_unmapped {
        let description =
            format_args!("passed {memory:p} to Kernel_UnmapDeviceMemory, which maps nothing of its devices");
        report_refused::report(owner, Misuse::NoMapping, description);
    }
    is_unmapped
}
