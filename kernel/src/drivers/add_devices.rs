//! Gives a driver the devices that it wants: claims each one, and calls `Driver_AddDevice` on a thread of the device's node.
use super::driver::RunningDriver;
use super::{handover, late};
use crate::devices::device_registry::{self, Device};
use crate::devices::{release, report_driver};
use crate::threads::join::Joining;
use crate::threads::lifecycle;
use crate::threads::owner::Owner;
use crate::threads::thread::Start;
use core::ffi::{c_int, c_void};

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
        if device.is_of(owner) || device.claim(owner).is_err() {
            continue;
        }
        match start(owner, device, add) {
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
            }
        }
    }
}

impl Adding {
    /// Waits until `Driver_AddDevice` has returned. Reports the driver, or takes the device back.
    pub fn finish(self) {
        let Self { owner, device, thread } = self;
        let code = thread.finish();
        if code >= 0 {
            if device.is_of(owner) {
                report_driver(device, owner.name());
            }
            return;
        }
        let address = device.function.address;
        log::info!(target: "devices", "{address}: {} gave it back, Driver_AddDevice returned {code}", owner.name());
        release::release(device, owner);
    }
}

/// What the thread calls.
struct Call {
    /// `Driver_AddDevice`.
    add: *const (),
    device: c_int,
}

/// Starts the thread. Returns `None` if there is no memory for it.
fn start(owner: &'static Owner, device: &'static Device, add: u64) -> Option<Adding> {
    let add = core::ptr::with_exposed_provenance(add as usize);
    let call = handover::hand_over(Call { add, device: device.id() })?;
    // SAFETY: `call_add_device` takes such a call, and it alone uses it from here on, unless no thread is created.
    let start = unsafe { Start::new(call_add_device, call.cast()) };
    let node = device.node.map(|node| node.node);
    match lifecycle::create_for_device("Driver_AddDevice", start, owner, node) {
        Ok(thread) => Some(Adding { owner, device, thread }),
        Err(_) => {
            // SAFETY: no thread was created, so nothing else uses the call.
            let _ = unsafe { handover::take(call) };
            None
        }
    }
}

/// Calls `Driver_AddDevice`.
///
/// # Safety
/// `call` is a handed-over `Call` of `start` that nothing else uses, and the driver's image stays mapped until the function returns.
unsafe extern "C" fn call_add_device(call: *mut c_void) -> c_int {
    // SAFETY: `# Safety` is the same.
    let Call { add, device } = unsafe { handover::take(call.cast::<Call>()) };
    // SAFETY: the loader has found `Driver_AddDevice` there as a function of the image, and the ABI says that it has this type.
    unsafe {
        let add: abi::DriverAddDevice = core::mem::transmute(add);
        add(device)
    }
}
