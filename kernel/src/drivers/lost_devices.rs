//! Devices that go while the machine runs: a thread of the kernel looks whether they still answer, and takes those that do not from their
//! drivers. It also looks for CPUs that do not get on, where all others idle.
use super::call::{self, Call};
use super::patience::patience;
use super::{late, loaded_drivers};
use crate::block;
use crate::devices::device_registry::{self, Device};
use crate::devices::release;
use crate::threads::join::Joining;
use crate::threads::owner::Owner;
use crate::threads::thread::Start;
use crate::threads::{lifecycle, sleep, watchdog};
use core::ffi::c_void;

/// How often the thread looks.
const LOOK_NS: u64 = 1_000_000_000;
/// A device that does not answer is looked at again after this time: it may be in a reset.
const CONFIRM_NS: u64 = 100_000_000;

/// Starts the thread, if there is a device that may go.
pub fn start() {
    if device_registry::all().iter().all(Device::is_kernels) {
        return;
    }
    // SAFETY: `run` ignores its argument.
    let start = unsafe { Start::new(run, core::ptr::null_mut()) };
    if lifecycle::create("lost devices", start, None).is_err() {
        log::warn!(target: "devices", "there is no memory to see whether devices go");
    }
}

unsafe extern "C" fn run(_: *mut c_void) -> i32 {
    loop {
        sleep::sleep_ns(LOOK_NS);
        watchdog::look_at_all();
        for device in device_registry::all() {
            if !device.is_lost() && device.is_absent() {
                sleep::sleep_ns(CONFIRM_NS);
                lose(device);
            }
        }
    }
}

/// Takes a device from its driver if it is gone, and if the driver has started and has added it.
fn lose(device: &'static Device) {
    let address = device.function.address;
    let Some(owner) = device.owner() else {
        if device.begin_loss(None) {
            log::warn!(target: "devices", "{address} is gone; it had no driver");
        }
        return;
    };
    if !loaded_drivers::has_started(owner) || owner.is_stopping() || !device.begin_loss(Some(owner)) {
        return;
    }
    log::warn!(target: "devices", "{address} is gone; {} loses it", owner.name());
    let interrupts = release::stop(device);
    block::close_served_by(device.id());
    let Some(remove) = loaded_drivers::functions(owner).remove_device else {
        log::warn!(target: "devices", "{address}: {} has no Driver_RemoveDevice, so it keeps the device's memory", owner.name());
        return;
    };
    let node = device.node.map(|node| node.node);
    // SAFETY: the function is from the driver's image, which stays until all threads of the driver have ended.
    let Some(thread) = (unsafe { call::begin(owner, Call::RemoveDevice(remove, device.id()), node) }) else {
        log::warn!(target: "devices", "{address}: there is no memory for a thread of {}", owner.name());
        return;
    };
    let removing = Removing { owner, device, interrupts, thread };
    let patience = patience();
    if removing.thread.has_ended_within(patience.ns()) {
        removing.finish();
    } else {
        log::warn!(target: "devices", "{address}: Driver_RemoveDevice of {} has not returned after {patience}", owner.name());
        late::wait_for(owner.name(), removing, Removing::finish);
    }
}

/// A device whose `Driver_RemoveDevice` runs, or has returned.
struct Removing {
    owner: &'static Owner,
    device: &'static Device,
    /// How many interrupts the driver had.
    interrupts: usize,
    thread: Joining,
}

impl Removing {
    /// Waits until `Driver_RemoveDevice` has returned, and takes back what the driver still has of the device.
    fn finish(self) {
        let Self { owner, device, interrupts, thread } = self;
        thread.finish();
        block::close_served_by(device.id());
        // A driver may have given it back by itself.
        let left = release::release(device, owner).unwrap_or_default();
        log::info!(
            target: "devices",
            "{}: taken from {}: {} interrupts, {} mappings, {} pieces of DMA memory",
            device.function.address, owner.name(), interrupts + left.interrupts, left.mappings, left.dma,
        );
    }
}
