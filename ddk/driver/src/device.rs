//! Devices of the driver: what each is, what it may do, and its configuration space.
use crate::driver::Outcome;
use core::ffi::c_int;

pub use abi::{DeviceInfo, DeviceMatch};

/// A device that the driver owns. Dropping it gives it back to the kernel, which turns its bus mastering off but does not reset it.
///
/// A mapping, and memory that is allocated for the device, borrow it, so they are dropped first. A driver that keeps them for good keeps
/// the device for good, by [`crate::memory::keep`]. The kernel does not take such a device back, even if the driver refuses it.
#[derive(Debug)]
pub struct Device(c_int);

/// What a device may do, for [`Device::enable`].
pub mod enable {
    pub use abi::{DEVICE_BUS_MASTER as BUS_MASTER, DEVICE_IO as IO, DEVICE_MEMORY as MEMORY};
}

impl Device {
    /// Returns the number that the kernel knows the device by.
    #[must_use]
    pub const fn id(&self) -> c_int {
        self.0
    }

    /// Returns what is known of the device.
    #[must_use]
    pub fn info(&self) -> DeviceInfo {
        let mut info = DeviceInfo { Size: size_of::<DeviceInfo>() as u32, ..DeviceInfo::default() };
        // SAFETY: `info` is a local variable that nothing else refers to during the call.
        unsafe { abi::Kernel_GetDeviceInfo(self.0, &mut info) };
        info
    }

    /// Sets what the device may do: the sum of constants of [`enable`]. What is left out is turned off. Returns false if the kernel
    /// refuses it.
    #[must_use]
    pub fn enable(&self, what: u32) -> bool {
        // SAFETY: the function takes any numbers.
        unsafe { abi::Kernel_EnableDevice(self.0, what) }
    }

    /// Resets the device. Returns false if it has no such reset, or is not ready in time.
    #[must_use]
    pub fn reset(&self) -> bool {
        // SAFETY: the function takes any number.
        unsafe { abi::Kernel_ResetDevice(self.0) }
    }

    /// Reads 1, 2 or 4 bytes of the configuration space. Returns all ones if the device is gone, or if there is no such register.
    #[must_use]
    pub fn read_config(&self, offset: u32, width: u32) -> u32 {
        // SAFETY: the function takes any numbers.
        unsafe { abi::Kernel_ReadDeviceConfig(self.0, offset, width) }
    }

    /// Writes 1, 2 or 4 bytes of the configuration space. Returns false if the register is the kernel's, or if there is none.
    #[must_use]
    pub fn write_config(&self, offset: u32, width: u32, value: u32) -> bool {
        // SAFETY: the function takes any numbers.
        unsafe { abi::Kernel_WriteDeviceConfig(self.0, offset, width, value) }
    }

    /// Returns the offset of the next capability with this id after the one at `after`, or of the first one.
    #[must_use]
    pub fn capability(&self, id: u32, after: Option<u32>) -> Option<u32> {
        // SAFETY: the function takes any numbers.
        let offset = unsafe { abi::Kernel_FindDeviceCapability(self.0, id, after.unwrap_or(0) as c_int) };
        u32::try_from(offset).ok()
    }

    fn is_owned(id: c_int) -> bool {
        let info = Self(id);
        let owner = info.info().Owner;
        core::mem::forget(info);
        owner[0] != 0
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        // SAFETY: the function takes any number. What borrows the device is gone.
        unsafe { abi::Kernel_ReleaseDevice(self.0) };
    }
}

/// Calls a driver's function for a new device. For [`crate::driver!`], in the kernel's call of `Driver_AddDevice`.
pub fn add<R: Outcome>(id: c_int, add: impl FnOnce(Device) -> R) -> c_int {
    let code = add(Device(id)).code();
    if code == 0 {
        return 0;
    }
    // A negative code gives the device back, and with it its mappings and memory. The driver may have kept them, with the device.
    if Device::is_owned(id) {
        crate::warn!("refused a device with code {code}, but keeps it");
        return 0;
    }
    code.saturating_abs().saturating_neg()
}
