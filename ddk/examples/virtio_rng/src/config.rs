//! Configuration space for the crate, through the kernel.
//!
//! BARs and the command register are the kernel's, and a driver cannot write them. The crate writes them to learn how large a BAR is. It gets
//! the answer that the device would give, from what the kernel knows.
use core::cell::Cell;
use core::ffi::c_int;
use driver_kit::abi::{DEVICE_BAR_64, DeviceInfo, Kernel_ReadDeviceConfig, Kernel_WriteDeviceConfig};
use virtio_drivers::transport::pci::bus::{ConfigurationAccess, DeviceFunction};

const COMMAND: u8 = 0x04;
const FIRST_BAR: u8 = 0x10;
const END_OF_BARS: u8 = 0x28;
const ALL_ONES: u32 = !0;

/// The configuration space of one device.
pub struct DeviceConfig {
    device: c_int,
    info: DeviceInfo,
    /// The BARs that the crate has written ones to.
    is_sized: [Cell<bool>; 6],
}

impl DeviceConfig {
    /// Returns the configuration space of a device that the driver owns.
    pub fn new(device: c_int, info: DeviceInfo) -> Self {
        Self { device, info, is_sized: [const { Cell::new(false) }; 6] }
    }

    /// Returns the number of the BAR at this offset.
    fn bar_at(offset: u8) -> Option<usize> {
        (FIRST_BAR..END_OF_BARS).contains(&offset).then(|| usize::from(offset - FIRST_BAR) / 4)
    }

    fn read(&self, offset: u8) -> u32 {
        // SAFETY: the kernel checks the id and the offset.
        unsafe { Kernel_ReadDeviceConfig(self.device, offset.into(), 4) }
    }

    /// Returns what a BAR holds after ones were written to it: its size's bits are zero.
    fn size_mask(&self, bar: usize) -> u32 {
        let bars = &self.info.Bars;
        if bar > 0 && bars[bar - 1].Flags & DEVICE_BAR_64 != 0 {
            return (bars[bar - 1].Size.wrapping_neg() >> 32) as u32;
        }
        if bars[bar].Size == 0 {
            return 0;
        }
        let kind = self.read(FIRST_BAR + 4 * bar as u8) & 0xf;
        bars[bar].Size.wrapping_neg() as u32 | kind
    }
}

impl ConfigurationAccess for DeviceConfig {
    fn read_word(&self, _: DeviceFunction, offset: u8) -> u32 {
        match Self::bar_at(offset).filter(|&bar| self.is_sized[bar].get()) {
            Some(bar) => self.size_mask(bar),
            None => self.read(offset),
        }
    }

    fn write_word(&mut self, _: DeviceFunction, offset: u8, value: u32) {
        if let Some(bar) = Self::bar_at(offset) {
            self.is_sized[bar].set(value == ALL_ONES);
        } else if offset != COMMAND {
            // SAFETY: the kernel checks the id and the offset, and refuses what is its own.
            unsafe { Kernel_WriteDeviceConfig(self.device, offset.into(), 4, value) };
        }
    }

    unsafe fn unsafe_clone(&self) -> Self {
        Self::new(self.device, self.info)
    }
}
