//! Devices of the driver: what each is, what it may do, its configuration space, and values that live as long as the driver has it.
use crate::memory::Node;
use crate::scope::Scope;
use core::ffi::c_int;
use core::fmt;
use core::marker::PhantomData;

pub use abi::{DeviceInfo, DeviceMatch};

/// A device that the driver owns, from [`crate::driver::DeviceDriver::add`] until its state is dropped. The lifetime `'d` stands for
/// that time.
///
/// What is made from a device lives as long: mapped registers, memory for DMA, interrupts, threads, timers, block devices, and the values that
/// they share ([`Device::keep`]). All of it ends with the device, and none of it can be kept longer: the compiler refuses that. A copy of this
/// value stands for the same device.
#[derive(Clone, Copy)]
pub struct Device<'d> {
    scope: &'d Scope,
    /// No shorter lifetime stands for the device: what it runs, it runs until its end.
    life: PhantomData<fn(&'d ()) -> &'d ()>,
}

/// What a device may do, for [`Device::enable`].
pub mod enable {
    pub use abi::{DEVICE_BUS_MASTER as BUS_MASTER, DEVICE_IO as IO, DEVICE_MEMORY as MEMORY};
}

impl<'d> Device<'d> {
    /// Returns the device with this scope.
    pub(crate) const fn new(scope: &'d Scope) -> Self {
        Self { scope, life: PhantomData }
    }

    pub(crate) const fn scope(self) -> &'d Scope {
        self.scope
    }

    /// Returns the number that the kernel knows the device by.
    #[must_use]
    pub const fn id(self) -> c_int {
        self.scope.device()
    }

    /// Returns true if the device ends: its threads should, too. It becomes true after [`crate::driver::DeviceDriver::remove`].
    #[must_use]
    pub fn is_ending(self) -> bool {
        self.scope.is_closed()
    }

    /// Returns what is known of the device.
    #[must_use]
    pub fn info(self) -> DeviceInfo {
        let mut info = DeviceInfo { Size: size_of::<DeviceInfo>() as u32, ..DeviceInfo::default() };
        // SAFETY: `info` is a local variable that nothing else refers to during the call.
        unsafe { abi::Kernel_GetDeviceInfo(self.id(), &mut info) };
        info
    }

    /// Returns the device's node, or `None` if it is unknown.
    #[must_use]
    pub const fn node(self) -> Option<Node> {
        self.scope.node()
    }

    /// Moves a value into memory on the device's node, or on this CPU's, where interrupts, timers, threads and queues of the device find it.
    /// Returns `None` if there is not enough memory.
    ///
    /// The value stays until the driver's state was dropped. Its own destructor does not run: what it has of the device ends with the device,
    /// but a `Box` in it stays until the driver goes. Such a value belongs into the driver's state.
    #[must_use]
    pub fn keep<T: 'd>(self, value: T) -> Option<&'d T> {
        let memory = self.scope.allocate::<T>(1)?;
        // SAFETY: the memory has room for the value, nothing else refers to it, and it stays for `'d`.
        unsafe {
            memory.write(value);
            Some(memory.as_ref())
        }
    }

    /// Makes `count` values, as [`Device::keep`] does for one. Returns `None` if there is not enough memory, or if `value` returns `None`.
    #[must_use]
    pub fn keep_each<T: 'd>(
        self,
        count: usize,
        mut value: impl FnMut(usize) -> Option<T>,
    ) -> Option<&'d [T]> {
        let memory = self.scope.allocate::<T>(count)?;
        for index in 0..count {
            // SAFETY: the memory has room for so many values, and nothing else refers to it.
            unsafe { memory.add(index).write(value(index)?) };
        }
        // SAFETY: all values are written, and the memory stays for `'d`.
        Some(unsafe { core::slice::from_raw_parts(memory.as_ptr(), count) })
    }

    /// Sets what the device may do: the sum of constants of [`enable`]. What is left out is turned off. Returns false if the kernel
    /// refuses it.
    #[must_use]
    pub fn enable(self, what: u32) -> bool {
        // SAFETY: the function takes any numbers.
        unsafe { abi::Kernel_EnableDevice(self.id(), what) }
    }

    /// Resets the device. Returns false if it has no such reset, or is not ready in time.
    #[must_use]
    pub fn reset(self) -> bool {
        // SAFETY: the function takes any number.
        unsafe { abi::Kernel_ResetDevice(self.id()) }
    }

    /// Reads 1, 2 or 4 bytes of the configuration space. Returns all ones if the device is gone, or if there is no such register.
    #[must_use]
    pub fn read_config(self, offset: u32, width: u32) -> u32 {
        // SAFETY: the function takes any numbers.
        unsafe { abi::Kernel_ReadDeviceConfig(self.id(), offset, width) }
    }

    /// Writes 1, 2 or 4 bytes of the configuration space. Returns false if the register is the kernel's, or if there is none.
    #[must_use]
    pub fn write_config(self, offset: u32, width: u32, value: u32) -> bool {
        // SAFETY: the function takes any numbers.
        unsafe { abi::Kernel_WriteDeviceConfig(self.id(), offset, width, value) }
    }

    /// Returns the offset of the next capability with this id after the one at `after`, or of the first one.
    #[must_use]
    pub fn capability(self, id: u32, after: Option<u32>) -> Option<u32> {
        // SAFETY: the function takes any numbers.
        let offset = unsafe { abi::Kernel_FindDeviceCapability(self.id(), id, after.unwrap_or(0) as c_int) };
        u32::try_from(offset).ok()
    }
}

impl fmt::Display for Device<'_> {
    /// Writes the device's address: segment, bus, slot and function.
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let DeviceInfo { Segment: segment, Bus: bus, Slot: slot, Function: function, .. } = self.info();
        write!(to, "{segment:04x}:{bus:02x}:{slot:02x}.{function}")
    }
}

impl fmt::Debug for Device<'_> {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "Device({self})")
    }
}
