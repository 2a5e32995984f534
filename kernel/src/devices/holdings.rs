//! What a driver has of its devices, counted.
use super::device_registry::{self, Device};
use super::{dma, mappings};
use crate::threads::owner::Owner;

/// What a driver has of all its devices.
#[derive(Clone, Copy, Default, Debug)]
pub struct DeviceHoldings {
    /// Interrupts that it has allocated.
    pub interrupts: u64,
    /// Parts of devices' memory that are mapped.
    pub mappings: u64,
    /// Pages of memory for DMA.
    pub dma_pages: u64,
}

/// Counts what a driver has of its devices. While it works, each number is that of another moment.
pub fn of(owner: &'static Owner) -> DeviceHoldings {
    let devices = device_registry::all().iter().filter(|device| device.is_of(owner));
    devices.fold(DeviceHoldings::default(), add)
}

fn add(sum: DeviceHoldings, device: &Device) -> DeviceHoldings {
    DeviceHoldings {
        interrupts: sum.interrupts + device.interrupts.count() as u64,
        mappings: sum.mappings + mappings::count(device) as u64,
        dma_pages: sum.dma_pages + dma::pages_of(device),
    }
}
