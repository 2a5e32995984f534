//! What a driver defines: its entry, its exit, and what happens when it panics.
use crate::log::{self, Level};
use core::ffi::c_int;
use core::panic::PanicInfo;

/// Why a driver does not start: the code that the kernel logs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Refusal(pub c_int);

/// What a driver's entry may return.
pub trait Outcome {
    /// Returns 0 if the driver has started, else the code that the kernel logs.
    fn code(self) -> c_int;
}

impl Outcome for () {
    fn code(self) -> c_int {
        0
    }
}

impl Outcome for Result<(), Refusal> {
    fn code(self) -> c_int {
        match self {
            Ok(()) => 0,
            // The kernel takes 0 for a driver that has started.
            Err(Refusal(0)) => -1,
            Err(Refusal(code)) => code,
        }
    }
}

/// Logs the panic, and ends the driver.
pub fn panicked(panic: &PanicInfo<'_>) -> ! {
    log::write(Level::Error, format_args!("{panic}"));
    // SAFETY: `ud2` raises an invalid-opcode exception, at which the kernel ends the driver. It does not return.
    unsafe { core::arch::asm!("ud2", options(noreturn)) }
}

/// Defines the symbols that the kernel looks for, and the panic handler. A driver calls this once.
///
/// `init` is a function without arguments that returns `()`, or `Result<(), Refusal>` if the driver may refuse to start. `exit`
/// is a function without arguments; it may be left out.
///
/// ```ignore
/// driver_kit::driver! { init = start, exit = stop }
/// ```
///
/// With `devices`, an array of [`abi::DeviceMatch`], the driver gets each such device that no other driver owns: the kernel calls
/// `add_device` with a [`crate::device::Device`]. The function returns what `init` may return, and runs on a thread of the device's node.
///
/// ```ignore
/// driver_kit::driver! {
///     init = start, devices = [DeviceMatch::class(0x01_0802)], add_device = add
/// }
/// ```
///
/// `unsafe remove_device`, which comes last and may be left out, is a function that takes the id of a device which is gone, or whose driver is unloaded; its interrupts
/// have been taken back, and the block devices that it served are unregistered. When the function returns, the kernel takes the device's
/// mappings and memory for DMA, also those that the driver keeps for good. The word `unsafe` is the driver's promise that from then on
/// nothing of it accesses them. Without the function, the driver keeps both.
///
/// ```ignore
/// driver_kit::driver! {
///     init = start, devices = [DeviceMatch::class(0x01_0802)], add_device = add, unsafe remove_device = remove
/// }
/// ```
#[macro_export]
macro_rules! driver {
    (
        init = $init:path
        $(, exit = $exit:path)?
        $(, devices = $devices:expr, add_device = $add:path)?
        $(, unsafe remove_device = $remove:path)?
        $(,)?
    ) => {
        $($crate::devices! { $devices, $add })?

        $(#[unsafe(no_mangle)]
        extern "C" fn Driver_RemoveDevice(device: ::core::ffi::c_int) {
            $remove(device)
        })?

        #[unsafe(no_mangle)]
        extern "C" fn Driver_Init() -> ::core::ffi::c_int {
            $crate::driver::Outcome::code($init())
        }

        #[unsafe(no_mangle)]
        extern "C" fn Driver_Exit() {
            $($exit();)?
        }

        #[panic_handler]
        fn panicked(panic: &::core::panic::PanicInfo<'_>) -> ! {
            $crate::driver::panicked(panic)
        }
    };
}

/// Defines the symbols of a driver that has a table of devices. [`driver!`] uses this.
#[doc(hidden)]
#[macro_export]
macro_rules! devices {
    ($devices:expr, $add:path) => {
        #[unsafe(no_mangle)]
        static Driver_Devices: [$crate::abi::DeviceMatch; { $devices.len() + 1 }] = {
            let mut table = [$crate::abi::DeviceMatch::END; { $devices.len() + 1 }];
            let (devices, mut index) = ($devices, 0);
            while index < devices.len() {
                table[index] = devices[index];
                index += 1;
            }
            table
        };

        #[unsafe(no_mangle)]
        extern "C" fn Driver_AddDevice(device: ::core::ffi::c_int) -> ::core::ffi::c_int {
            $crate::device::add(device, $add)
        }
    };
}
