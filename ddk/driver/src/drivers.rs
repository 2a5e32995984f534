//! Drivers: loading and unloading others, what one has, and whether this one is to stop.
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

/// Returns what the driver of this name has, or this driver without a name. Returns `None` if no such driver is loaded, and in a handler.
#[must_use]
pub fn statistics(name: Option<&CStr>) -> Option<abi::DriverStatistics> {
    let size = size_of::<abi::DriverStatistics>() as u32;
    let mut statistics = abi::DriverStatistics { Size: size, ..Default::default() };
    let name = name.map_or(core::ptr::null(), CStr::as_ptr);
    // SAFETY: the name is null or ends with a zero. `statistics` is a local variable that nothing else refers to during the call.
    unsafe { abi::Kernel_GetDriverStatistics(name, &mut statistics) }.then_some(statistics)
}

/// Returns the kernel's version: the major and the minor number.
#[must_use]
pub fn kernel_version() -> (u16, u16) {
    // SAFETY: the function takes no arguments and may be called at any time.
    let version = unsafe { abi::Kernel_GetVersion() };
    ((version >> 16) as u16, version as u16)
}
