//! Other drivers: loading and unloading them, and whether this one is to stop.
use core::ffi::CStr;

/// Loads the driver of this name from the ramdisk, and starts it. Returns false if the kernel refuses that; the log has the reason.
#[must_use]
pub fn load(name: &CStr) -> bool {
    // SAFETY: the name ends with a zero and stays during the call.
    unsafe { abi::Kernel_LoadDriver(name.as_ptr()) == 0 }
}

/// Unloads another driver. Returns false if the kernel refuses that; the log has the reason.
#[must_use]
pub fn unload(name: &CStr) -> bool {
    // SAFETY: the name ends with a zero and stays during the call.
    unsafe { abi::Kernel_UnloadDriver(name.as_ptr()) == 0 }
}

/// Returns true if this driver is being stopped: its threads should end.
#[must_use]
pub fn is_stopping() -> bool {
    // SAFETY: the function takes no arguments and may be called at any time.
    unsafe { abi::Kernel_IsStopping() }
}

/// Returns the kernel's version: the major and the minor number.
#[must_use]
pub fn kernel_version() -> (u16, u16) {
    // SAFETY: the function takes no arguments and may be called at any time.
    let version = unsafe { abi::Kernel_GetVersion() };
    ((version >> 16) as u16, version as u16)
}
