//! nvme: the driver of NVMe disks. Each is a block device with a queue for each CPU of its node (docs/driver-guide.md).
#![no_std]
#![forbid(unsafe_code)]

mod admin;
mod controller;
mod disk;
mod pages;
mod pair;
mod placement;
mod queue;
mod registers;

use driver_kit::device::{Device, DeviceMatch};
use driver_kit::driver::Refusal;
use driver_kit::{error, memory};

/// The class of NVMe controllers: mass storage, non-volatile memory, NVM Express.
const NVME: u32 = 0x01_0802;

driver_kit::driver! { init = start, devices = [DeviceMatch::class(NVME)], add_device = add }

fn start() {}

fn add(device: Device) -> Result<(), Refusal> {
    let info = device.info();
    // Queues and interrupts refer to the device for good.
    let device = memory::keep(device, None).ok_or(Refusal(-1))?;
    disk::add(device).map_err(|fault| {
        // It stays the driver's, but does nothing.
        let _ = device.enable(0);
        error!("{:04x}:{:02x}:{:02x}.{}: {fault}", info.Segment, info.Bus, info.Slot, info.Function);
        Refusal(-1)
    })
}
