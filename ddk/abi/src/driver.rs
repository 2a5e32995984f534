//! The functions that a driver defines and the kernel calls.
use core::ffi::c_int;

/// The type of `Driver_Init`, for the loader.
pub type DriverInit = unsafe extern "C" fn() -> c_int;

/// The type of `Driver_Exit`, for the loader.
pub type DriverExit = unsafe extern "C" fn();

unsafe extern "C" {
    /// Starts the driver. Every driver defines this function. The kernel calls it once, when the driver is loaded, on a
    /// thread of its own, which has no preferred node and no policy, and whose affinity is the boot CPU. The thread ends
    /// when the function returns. If that takes longer than 10 s, the kernel names the driver and continues to boot.
    ///
    /// Returns 0 if the driver has started. Any other number, by convention a negative one, means that it does not
    /// start: the kernel logs the number, takes back what the driver has, unloads it and continues to boot.
    pub fn Driver_Init() -> c_int;

    /// Stops the driver. A driver may define this function. The kernel calls it once when it unloads the driver, on a thread of its
    /// own, after `Driver_RemoveDevice` for each of its devices. Then it takes back all that the driver still has.
    pub fn Driver_Exit();
}

const _: DriverInit = Driver_Init;
const _: DriverExit = Driver_Exit;
