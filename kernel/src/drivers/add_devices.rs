//! Gives a driver the devices that it wants: claims each one, and calls `Driver_AddDevice`.
use super::device_call::{self, DeviceFunction};
use super::driver::RunningDriver;
use super::late;
use crate::devices::device_registry::{self, Device};
use crate::devices::{release, report_driver};
use crate::threads::join::Joining;
use crate::threads::owner::Owner;

/// How long the caller waits for a `Driver_AddDevice` before it goes on.
const PATIENCE_NS: u64 = 10_000_000_000;

/// A device whose `Driver_AddDevice` runs, or has returned and was not judged yet.
pub struct Adding {
    owner: &'static Owner,
    device: &'static Device,
    thread: Joining,
}

/// Calls the driver's `Driver_AddDevice` for each device that matches its table and that no driver owns, in the order of their addresses.
pub fn add_devices(driver: &RunningDriver) {
    let Some((table, add)) = driver.devices else { return };
    let owner = driver.owner;
    for device in device_registry::all().iter().filter(|device| table.accepts(&device.function)) {
        // A device that the driver has claimed by itself is its own already.
        if device.is_of(owner) || !device.begin_adding(owner) {
            continue;
        }
        let thread = device_call::start(owner, device, DeviceFunction::Add(add));
        match thread.map(|thread| Adding { owner, device, thread }) {
            Some(adding) if adding.thread.has_ended_within(PATIENCE_NS) => adding.finish(),
            Some(adding) => {
                let (name, address) = (owner.name(), device.function.address);
                log::warn!(target: "devices", "{address}: Driver_AddDevice of {name} has not returned after 10 s");
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
        let Self { owner, device, thread } = self;
        let code = thread.finish();
        if code < 0 {
            let address = device.function.address;
            log::info!(target: "devices", "{address}: {} gave it back, Driver_AddDevice returned {code}", owner.name());
            release::release_and_reset(device, owner);
        } else if device.is_of(owner) {
            report_driver(device, owner.name());
        }
        device.end_adding();
    }
}
