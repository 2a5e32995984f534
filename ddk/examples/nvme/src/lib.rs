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
mod split;

use controller::Fault;
use driver_kit::device::{Device, DeviceMatch};
use driver_kit::driver::Refusal;
use driver_kit::{error, info, memory};

/// The class of NVMe controllers: mass storage, non-volatile memory, NVM Express.
const NVME: u32 = 0x01_0802;

driver_kit::driver! {
    // `disk::remove` returns when nothing uses the device any more.
    init = start, devices = [DeviceMatch::class(NVME)], add_device = add, unsafe remove_device = disk::remove
}

fn start() {}

fn add(device: Device) -> Result<(), Refusal> {
    let info = device.info();
    // Queues and interrupts refer to the device for good.
    let device = memory::keep(device, None).ok_or(Refusal(-1))?;
    if let Err(fault) = disk::add(device) {
        // It stays the driver's, but does nothing any more.
        let _ = device.enable(0);
        let (segment, bus, slot, function) = (info.Segment, info.Bus, info.Slot, info.Function);
        let address = format_args!("{segment:04x}:{bus:02x}:{slot:02x}.{function}");
        match fault {
            Fault::Empty => info!("{address}: {fault}"),
            _ => error!("{address}: {fault}"),
        }
    }
    Ok(())
}
