//! my_device: drives the PCI device 1234:11e8. It finds the device's registers, and says so.
#![cfg_attr(target_os = "none", no_std)]
#![forbid(unsafe_code)]

use driver_kit::device::{Device, DeviceMatch, enable};
use driver_kit::driver::{DeviceDriver, Refusal};
use driver_kit::info;
use driver_kit::mmio::Bar;

driver_kit::driver! { devices = Driver }

struct Driver;

/// A device that the driver has added.
struct Added<'d> {
    device: Device<'d>,
    /// BAR 0. `registers.register(offset)` is one of its registers.
    registers: Bar<'d>,
}

impl DeviceDriver for Driver {
    /// The devices that the driver wants. The kernel adds each that no other driver owns.
    const DEVICES: &'static [DeviceMatch] = &[DeviceMatch::ids(0x1234, 0x11e8)];
    type State<'d> = Added<'d>;

    /// Starts a device, on a thread of its node. An error gives the device back, with all that belongs to it.
    fn add(device: Device<'_>) -> Result<Added<'_>, Refusal> {
        if !device.enable(enable::MEMORY) {
            return Err(Refusal(-1));
        }
        // There is no BAR 0 in memory.
        let registers = device.bar(0).ok_or(Refusal(-2))?;
        info!("found {device}, with {:#x} bytes of registers", registers.bytes());
        Ok(Added { device, registers })
    }

    /// Ends the use of a device: it is gone, or the driver is unloaded. All that was made from it ends afterwards.
    fn remove(added: &Added<'_>) {
        info!("{} is removed, with {:#x} bytes of registers", added.device, added.registers.bytes());
    }
}
