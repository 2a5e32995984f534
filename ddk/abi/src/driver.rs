//! What a driver itself defines, and the kernel calls.
use core::ffi::c_int;

/// The type of `Driver_Init`, for the loader.
pub type DriverInit = unsafe extern "C" fn() -> c_int;

/// The type of `Driver_Exit`, for the loader.
pub type DriverExit = unsafe extern "C" fn();

unsafe extern "C" {
    /// Every driver defines this. The kernel calls it once, when the driver is loaded, on a thread that has no
    /// preferred node and no policy set, and whose affinity is the boot CPU; what it sets of these ends with the call.
    ///
    /// Returns 0 when the driver has started. Anything else, by custom a negative number, refuses: the number goes into
    /// the log, the driver's memory is taken back, and boot goes on. Pages and memory that the driver was given, it
    /// frees before it refuses.
    pub fn Driver_Init() -> c_int;

    /// A driver that can be unloaded defines this. The kernel calls it once, before it takes the driver's memory back.
    pub fn Driver_Exit();
}

const _: DriverInit = Driver_Init;
const _: DriverExit = Driver_Exit;
