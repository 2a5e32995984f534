//! Calls a driver's function for one of its devices, on a thread of the device's node.
use super::handover;
use crate::devices::device_registry::Device;
use crate::threads::join::Joining;
use crate::threads::lifecycle;
use crate::threads::owner::Owner;
use crate::threads::thread::Start;
use core::ffi::{c_int, c_void};

/// A function of a driver, by its address.
#[derive(Clone, Copy)]
pub enum DeviceFunction {
    /// `Driver_AddDevice`.
    Add(u64),
    /// `Driver_RemoveDevice`.
    Remove(u64),
}

/// What the thread calls.
struct Call {
    function: DeviceFunction,
    device: c_int,
}

/// Starts a thread of the driver that calls the function, and exits with what that returns, or with 0. Returns `None` if there is no
/// memory for it. The driver's image has the function, and stays.
pub fn start(owner: &'static Owner, device: &'static Device, function: DeviceFunction) -> Option<Joining> {
    let name = match function {
        DeviceFunction::Add(_) => "Driver_AddDevice",
        DeviceFunction::Remove(_) => "Driver_RemoveDevice",
    };
    let call = handover::hand_over(Call { function, device: device.id() })?;
    // SAFETY: `run` takes such a call, and it alone uses it from here on, unless no thread is created.
    let start = unsafe { Start::new(run, call.cast()) };
    let node = device.node.map(|node| node.node);
    match lifecycle::create_for_device(name, start, owner, node) {
        Ok(thread) => Some(thread),
        Err(_) => {
            // SAFETY: no thread was created, so nothing else uses the call.
            let _ = unsafe { handover::take(call) };
            None
        }
    }
}

/// Calls the function.
///
/// # Safety
/// `call` is a handed-over `Call` of `start` that nothing else uses, and the driver's image stays mapped until the function returns.
unsafe extern "C" fn run(call: *mut c_void) -> c_int {
    // SAFETY: `# Safety` is the same.
    let Call { function, device } = unsafe { handover::take(call.cast::<Call>()) };
    match function {
        DeviceFunction::Add(add) => {
            let add = core::ptr::with_exposed_provenance::<()>(add as usize);
            // SAFETY: the loader has found `Driver_AddDevice` there as a function of the image, and the ABI says that it has this type.
            let add: abi::DriverAddDevice = unsafe { core::mem::transmute(add) };
            // SAFETY: the function takes any device of the driver.
            unsafe { add(device) }
        }
        DeviceFunction::Remove(remove) => {
            let remove = core::ptr::with_exposed_provenance::<()>(remove as usize);
            // SAFETY: as above, for `Driver_RemoveDevice`.
            let remove: abi::DriverRemoveDevice = unsafe { core::mem::transmute(remove) };
            // SAFETY: the function takes any device of the driver.
            unsafe { remove(device) };
            0
        }
    }
}
