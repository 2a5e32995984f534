//! Takes devices from drivers: what a driver has of a device goes back in the order in which it can do no harm.
use super::device_registry::{self, Device};
use super::{dma, interrupt_allocation, mappings, power};
use crate::threads::owner::Owner;

/// Takes the device from the driver. Returns false, and changes nothing, if the driver does not own it.
///
/// First its handlers end, then the device stops accessing memory, so that what it accessed may be used otherwise.
pub fn release(device: &Device, owner: &'static Owner) -> bool {
    let _changes = device.changes.lock();
    if !device.begin_release(owner) {
        return false;
    }
    interrupt_allocation::take_back(device);
    power::stop_bus_mastering_of(device);
    mappings::unmap_all(device);
    dma::free_all(device);
    device.finish_release();
    true
}

/// Takes all devices from a driver of which nothing runs any more. Returns how many there were.
pub fn release_all(owner: &'static Owner) -> usize {
    device_registry::all().iter().filter(|device| device.is_of(owner) && release(device, owner)).count()
}

/// Takes the interrupts back, and turns off the bus mastering, of all devices of a driver that is refused but whose threads still run. The
/// devices stay the driver's: its threads may be using them.
pub fn stop_all(owner: &'static Owner) {
    for device in device_registry::all().iter().filter(|device| device.is_of(owner)) {
        let _changes = device.changes.lock();
        interrupt_allocation::take_back(device);
        power::stop_bus_mastering_of(device);
    }
}
