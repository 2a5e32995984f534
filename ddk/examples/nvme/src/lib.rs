//! nvme: the driver of NVMe disks. Each is a block device with a queue for each CPU of its node (docs/driver-guide.md).
#![cfg_attr(target_os = "none", no_std)]
#![forbid(unsafe_code)]

mod admin;
mod controller;
mod counters;
mod disk;
mod pages;
mod pair;
mod placement;
mod queue;
mod registers;
mod split;

use controller::Fault;
use disk::Disk;
use driver_kit::device::{Device, DeviceMatch};
use driver_kit::driver::{DeviceDriver, Refusal};
use driver_kit::{error, info};

/// The class of NVMe controllers: mass storage, non-volatile memory, NVM Express.
const NVME: u32 = 0x01_0802;

driver_kit::driver! { devices = Disks }

struct Disks;

impl DeviceDriver for Disks {
    const DEVICES: &'static [DeviceMatch] = &[DeviceMatch::class(NVME)];
    type State<'d> = &'d Disk<'d>;

    fn add(device: Device<'_>) -> Result<&Disk<'_>, Refusal> {
        disk::add(device).map_err(|fault| {
            match fault {
                Fault::Empty => info!("{device}: {fault}"),
                _ => error!("{device}: {fault}"),
            }
            Refusal(-1)
        })
    }

    fn remove(disk: &&Disk<'_>) {
        disk.end();
    }
}
