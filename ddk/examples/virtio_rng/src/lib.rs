//! virtio_rng: runs the unmodified crate `virtio-drivers` on this kernel. It reads random bytes from each virtio-rng device and logs how
//! many came.
//!
//! The crate asks for two things, and each has a file here: `hal` gives it memory and registers, `config` configuration space.
#![no_std]

mod config;
mod hal;

use config::DeviceConfig;
use core::ffi::c_int;
use driver_kit::abi::{
    DEVICE_ANY, DEVICE_BUS_MASTER, DEVICE_MEMORY, DeviceInfo, DeviceMatch, Kernel_EnableDevice,
    Kernel_GetDeviceInfo,
};
use driver_kit::{info, sync::Mutex, warn};
use hal::KernelHal;
use virtio_drivers::device::rng::VirtIORng;
use virtio_drivers::transport::pci::PciTransport;
use virtio_drivers::transport::pci::bus::{DeviceFunction, PciRoot};

driver_kit::driver! { init = start }

const SIZE: u32 = size_of::<DeviceMatch>() as u32;

const fn virtio(device: u16) -> DeviceMatch {
    DeviceMatch {
        Size: SIZE,
        Flags: 0,
        Vendor: 0x1af4,
        Device: device,
        SubVendor: DEVICE_ANY,
        SubDevice: DEVICE_ANY,
        Class: 0,
        ClassMask: 0,
    }
}

/// The devices that the driver wants: a virtio-rng, and one that has the old interface, too. An element of size 0 ends the table.
#[unsafe(no_mangle)]
static Driver_Devices: [DeviceMatch; 3] =
    [virtio(0x1044), virtio(0x1005), DeviceMatch { Size: 0, Vendor: 0, Device: 0, ..virtio(0) }];

/// The bytes to read. The buffer is aligned to its size, so it does not cross a page.
#[repr(align(256))]
struct Buffer([u8; 256]);

/// The crate's memory functions have no argument for the device, so one device is served at a time.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn start() {}

#[unsafe(no_mangle)]
extern "C" fn Driver_AddDevice(device: c_int) -> c_int {
    let _one = ONE_AT_A_TIME.lock();
    match read_random(device) {
        Ok(count) => {
            info!("{count} random bytes");
            0
        }
        Err(reason) => {
            warn!("device {device:#x}: {reason}");
            -1
        }
    }
}

fn read_random(device: c_int) -> Result<usize, &'static str> {
    let mut about = DeviceInfo { Size: size_of::<DeviceInfo>() as u32, ..DeviceInfo::default() };
    // SAFETY: the kernel checks the id and the structure, and only writes the structure.
    let is_enabled = unsafe {
        Kernel_GetDeviceInfo(device, &raw mut about)
            && Kernel_EnableDevice(device, DEVICE_MEMORY | DEVICE_BUS_MASTER)
    };
    if !is_enabled {
        return Err("it cannot be enabled");
    }
    hal::serve(device, &about);
    // The crate names a device by its address on the bus.
    let function = DeviceFunction { bus: about.Bus, device: about.Slot, function: about.Function };
    let mut root = PciRoot::new(DeviceConfig::new(device, about));
    let transport = PciTransport::new::<KernelHal, _>(&mut root, function);
    let transport = transport.map_err(|_| "it has no registers of virtio 1.0")?;
    let mut random = VirtIORng::<KernelHal, _>::new(transport).map_err(|_| "it does not start")?;
    let mut buffer = Buffer([0; 256]);
    let count = random.request_entropy(&mut buffer.0).map_err(|_| "it gives no bytes")?;
    // The device counts them, and is not trusted.
    if count > buffer.0.len() || buffer.0[..count].iter().all(|&byte| byte == 0) {
        return Err("its bytes are not random");
    }
    Ok(count)
}
