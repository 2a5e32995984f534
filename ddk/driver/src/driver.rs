//! What a driver defines: its entry, its exit, what it does with its devices, and what happens when it panics.
use crate::device::{Device, DeviceMatch};
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

/// A driver of devices. The kernel finds them by [`Self::DEVICES`], and [`crate::driver!`] gives each to this driver.
///
/// ```
/// use driver_kit::device::{Device, DeviceMatch, enable};
/// use driver_kit::driver::{DeviceDriver, Refusal};
/// use driver_kit::mmio::Register;
///
/// /// A device: its registers, and what else the driver knows of it.
/// struct Thermometer<'d> {
///     degrees: Register<'d, u32>,
/// }
///
/// struct Thermometers;
///
/// impl DeviceDriver for Thermometers {
///     const DEVICES: &'static [DeviceMatch] = &[DeviceMatch::ids(0x1234, 0x5678)];
///     type State<'d> = Thermometer<'d>;
///
///     fn add(device: Device<'_>) -> Result<Thermometer<'_>, Refusal> {
///         if !device.enable(enable::MEMORY) {
///             return Err(Refusal(-1));
///         }
///         let degrees = device.bar(0).and_then(|bar| bar.register(0)).ok_or(Refusal(-2))?;
///         Ok(Thermometer { degrees })
///     }
///
///     fn remove(thermometer: &Thermometer<'_>) {
///         driver_kit::info!("{} degrees at last", thermometer.degrees.read());
///     }
/// }
/// ```
///
/// A device ends in this order, when it is gone, when the driver is unloaded, and, from step 2 on, when `add` has returned an error:
///
/// 1. The kernel takes the interrupts back, unregisters the block devices, and [`Self::remove`] is called.
/// 2. The device's threads are joined, its timers destroyed, and what is left of its interrupts and block devices is ended. From here on
///    nothing of the device runs.
/// 3. The state is dropped, and then the memory of [`Device::keep`] is freed.
/// 4. The kernel takes registers, memory for DMA and the device itself.
///
/// A driver that has failed does none of this: no code of it runs any more, and the kernel takes all that it had.
pub trait DeviceDriver: 'static {
    /// The devices that the driver wants. Another driver may own some of them.
    const DEVICES: &'static [DeviceMatch];

    /// What the driver knows of a device that it has added.
    type State<'d>: Send;

    /// Starts a device that matches [`Self::DEVICES`] and that no other driver owns, on a thread of its node. Returns the device's state, which
    /// stays until the device is removed.
    ///
    /// # Errors
    /// The driver does not serve the device: the kernel logs the code, takes the device back, and resets it if it can. Before that all that was
    /// made from the device ends; a thread of it that waits must have been told to end.
    fn add(device: Device<'_>) -> Result<Self::State<'_>, Refusal>;

    /// Prepares for the end of a device, which may be gone already: registers then read as ones, or zeros in some machines. What `add` has
    /// made ends without this function, except for threads that wait: the driver tells them to end here. A thread that works looks at
    /// [`Device::is_ending`].
    fn remove(state: &Self::State<'_>) {
        let _ = state;
    }
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
/// `devices` is a type that implements [`DeviceDriver`](crate::driver::DeviceDriver): it gets each device of its table. A driver of devices
/// needs no `init`.
///
/// ```ignore
/// driver_kit::driver! { devices = Thermometers }
/// ```
#[macro_export]
macro_rules! driver {
    (devices = $devices:ty $(,)?) => {
        $crate::driver! { init = $crate::driver::start_nothing, devices = $devices }
    };
    (init = $init:path $(, exit = $exit:path)? $(, devices = $devices:ty)? $(,)?) => {
        $($crate::devices! { $devices })?

        #[unsafe(no_mangle)]
        extern "C" fn Driver_Init() -> ::core::ffi::c_int {
            $crate::driver::Outcome::code($init())
        }

        #[unsafe(no_mangle)]
        extern "C" fn Driver_Exit() {
            $($exit();)?
        }

        // In a test on a host, the standard library has it.
        #[cfg(target_os = "none")]
        #[panic_handler]
        fn panicked(panic: &::core::panic::PanicInfo<'_>) -> ! {
            $crate::driver::panicked(panic)
        }
    };
}

/// The entry of a driver that has nothing to start but its devices.
#[doc(hidden)]
pub fn start_nothing() {}

/// Defines the symbols of a driver of devices. [`driver!`] uses this.
#[doc(hidden)]
#[macro_export]
macro_rules! devices {
    ($driver:ty) => {
        static DEVICES: $crate::devices::Devices<$driver> = $crate::devices::Devices::new();

        #[unsafe(no_mangle)]
        static Driver_Devices: [$crate::abi::DeviceMatch;
            <$driver as $crate::driver::DeviceDriver>::DEVICES.len() + 1] =
            $crate::devices::table(<$driver as $crate::driver::DeviceDriver>::DEVICES);

        #[unsafe(no_mangle)]
        extern "C" fn Driver_AddDevice(device: ::core::ffi::c_int) -> ::core::ffi::c_int {
            // SAFETY: the kernel calls this function.
            unsafe { DEVICES.add(device) }
        }

        #[unsafe(no_mangle)]
        extern "C" fn Driver_RemoveDevice(device: ::core::ffi::c_int) {
            // SAFETY: the kernel calls this function.
            unsafe { DEVICES.remove(device) };
        }
    };
}
