//! Calls a driver's functions, each on a thread of its own.
use super::{enter_driver, handover};
use crate::memory::protection;
use crate::threads::join::Joining;
use crate::threads::lifecycle;
use crate::threads::owner::Owner;
use crate::threads::thread::Start;
use core::ffi::{c_int, c_void};
use units::NodeId;

/// A function of a driver, by its address, and what it is called with.
#[derive(Clone, Copy)]
pub enum Call {
    /// `Driver_AddDevice`, with a device.
    AddDevice(u64, c_int),
    /// `Driver_RemoveDevice`, with a device.
    RemoveDevice(u64, c_int),
    /// `Driver_Exit`.
    Exit(u64),
}

impl Call {
    /// Returns the function's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AddDevice(..) => "Driver_AddDevice",
            Self::RemoveDevice(..) => "Driver_RemoveDevice",
            Self::Exit(_) => "Driver_Exit",
        }
    }
}

/// Begins a call, on a thread of `node` if that is given. The thread exits with what the function returns, or with 0. Returns `None` if
/// there is no memory for it.
///
/// # Safety
/// The driver's image has this function, of the type that the ABI gives it, and stays mapped until the thread has ended.
pub unsafe fn begin(owner: &'static Owner, call: Call, node: Option<NodeId>) -> Option<Joining> {
    let argument = handover::hand_over(call)?;
    // SAFETY: `run` takes such a call, and it alone uses it from here on, unless no thread is created.
    let start = unsafe { Start::new(run, argument.cast()) };
    let thread = lifecycle::create_for_device(call.name(), start, owner, node).ok();
    if thread.is_none() {
        // SAFETY: no thread was created, so nothing else uses the call.
        let _ = unsafe { handover::take(argument) };
    }
    thread
}

/// Calls the function.
///
/// # Safety
/// `call` is a handed-over `Call` that nothing else uses, and the condition of [`begin`] holds until this returns.
unsafe extern "C" fn run(call: *mut c_void) -> c_int {
    // SAFETY: `# Safety` is the same.
    let call = unsafe { handover::take(call.cast::<Call>()) };
    let pointer = |address: u64| core::ptr::with_exposed_provenance::<()>(address as usize);
    if protection::is_on() {
        let (address, argument) = match call {
            Call::AddDevice(address, device) | Call::RemoveDevice(address, device) => (address, device),
            Call::Exit(address) => (address, 0),
        };
        // SAFETY: by `# Safety` the image has the function there, and it takes this argument or none. This is what the thread does. Nobody reads
        // the exit code for a function without a result.
        unsafe { enter_driver::enter(pointer(address).cast_mut().cast(), argument as usize) };
    }
    // SAFETY: by `# Safety` the image has the function there, and it has this type.
    unsafe {
        match call {
            Call::AddDevice(address, device) => {
                core::mem::transmute::<*const (), abi::DriverAddDevice>(pointer(address))(device)
            }
            Call::RemoveDevice(address, device) => {
                core::mem::transmute::<*const (), abi::DriverRemoveDevice>(pointer(address))(device);
                0
            }
            Call::Exit(address) => {
                core::mem::transmute::<*const (), abi::DriverExit>(pointer(address))();
                0
            }
        }
    }
}
