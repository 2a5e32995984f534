//! Gives a driver the devices that it wants: claims each one, and calls `Driver_AddDevice`.
use super::call::{self, Call};
use super::patience::patience;
use super::{late, loaded_drivers};
use crate::devices::device_registry::{self, Device};
use crate::devices::{release, report_driver};
use crate::threads::join::Joining;
use crate::threads::owner::Owner;

/// A device whose `Driver_AddDevice` runs, or has returned and was not judged yet.
pub struct Adding {
    owner: &'static Owner,
    device: &'static Device,
    thread: Joining,
    /// Which life of the driver this belongs to.
    life: u32,
}

/// Calls the driver's `Driver_AddDevice` for each device that matches its table and that no driver owns, in the order of their addresses.
pub fn add_devices(owner: &'static Owner) {
    let Some((table, add)) = loaded_drivers::devices(owner).zip(loaded_drivers::functions(owner).add_device)
    else {
        return;
    };
    let patience = patience();
    for device in device_registry::all().iter().filter(|device| table.accepts(&device.function)) {
        // A device that the driver has claimed by itself is its own already.
        if device.is_of(owner) || !device.begin_adding(owner) {
            continue;
        }
        let node = device.node.map(|node| node.node);
        // SAFETY: the function is from the driver's image, which stays until all threads of the driver have ended.
        let thread = unsafe { call::begin(owner, Call::AddDevice(add, device.id()), node) };
        match thread.map(|thread| Adding { owner, device, thread, life: owner.lives() }) {
            Some(adding) if adding.thread.has_ended_within(patience.ns()) => adding.finish(),
            Some(adding) => {
                let (name, address) = (owner.name(), device.function.address);
                log::warn!(target: "devices", "{address}: Driver_AddDevice of {name} has not returned after {patience}");
                late::wait_for(name, adding, Adding::finish);
            }
            None => {
                let address = device.function.address;
                log::warn!(target: "devices", "{address}: there is no memory for a thread of {}", owner.name());
                release::release(device, owner);
                device.end_adding();
            }
        }
    }
}

impl Adding {
    /// Waits until `Driver_AddDevice` has returned. Reports the driver, or takes the device back.
    pub fn finish(self) {
        let Self { owner, device, thread, life } = self;
        let code = thread.finish();
        if owner.is_stopping() || owner.lives() != life {
            // Whoever stops the driver takes the device back.
        } else if code < 0 {
            let address = device.function.address;
            log::info!(target: "devices", "{address}: {} gave it back, Driver_AddDevice returned {code}", owner.name());
            release::release_and_reset(device, owner);
        } else if device.is_of(owner) {
            report_driver(device, owner.name());
        }
        device.end_adding();
    }
}
