//! Takes devices from drivers: what a driver has of a device goes back in the order in which it can do no harm.
use super::device_registry::Device;
use super::{dma, interrupt_allocation, mappings, power};
use crate::threads::owner::Owner;

/// What was taken from a driver with a device.
#[derive(Clone, Copy, Default, Debug)]
pub struct TakenBack {
    /// Interrupts that the driver had allocated.
    pub interrupts: usize,
    /// Parts of the device's memory that were mapped.
    pub mappings: usize,
    /// Pieces of memory for DMA.
    pub dma: usize,
}

/// Takes the device from a driver that gives it back. Returns `None`, and changes nothing, if the driver does not own it.
///
/// First its handlers end, then the device stops accessing memory, so that what it accessed may be used otherwise.
pub fn release(device: &Device, owner: &'static Owner) -> Option<TakenBack> {
    take(device, owner, false)
}

/// Takes the device from a driver that has refused it, or was refused, and resets it if it has a function-level reset: nobody knows what
/// such a driver has left it doing. Returns `None`, and changes nothing, if the driver does not own it.
pub fn release_and_reset(device: &Device, owner: &'static Owner) -> Option<TakenBack> {
    take(device, owner, true)
}

fn take(device: &Device, owner: &'static Owner, with_reset: bool) -> Option<TakenBack> {
    let _changes = device.changes.lock();
    if !device.begin_release(owner) {
        return None;
    }
    let interrupts = interrupt_allocation::take_back(device);
    power::stop_bus_mastering_of(device);
    if with_reset {
        power::reset_locked(device);
    }
    let mappings = mappings::unmap_all(device);
    let dma = dma::free_all(device);
    device.finish_release();
    Some(TakenBack { interrupts, mappings, dma })
}

/// Takes the interrupts of a device back. Returns how many the driver had.
pub fn take_interrupts(device: &Device) -> usize {
    let _changes = device.changes.lock();
    interrupt_allocation::take_back(device)
}

/// Takes the interrupts of a device back, and turns its bus mastering off. The device stays the driver's, which may be using it. Returns how
/// many interrupts the driver had.
pub fn stop(device: &Device) -> usize {
    let _changes = device.changes.lock();
    let interrupts = interrupt_allocation::take_back(device);
    power::stop_bus_mastering_of(device);
    interrupts
}
