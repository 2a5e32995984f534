//! Memory that belongs either to the driver or to a device: a buffer that one of them fills for the other.
use super::grant::{self, Content, Grant};
use super::plain::Plain;
use crate::device::Device;
use crate::memory::Node;
use core::ops::{Deref, DerefMut};
use core::ptr::NonNull;
use core::sync::atomic::{Ordering, fence};

/// A `T` that the driver may read and write, and that it can hand over to the device. Dropping it frees the memory.
///
/// ```ignore
/// let mut block: Dma<[u8; 512]> = device.allocate()?;
/// block[0] = 1;
/// let block = block.hand_over();       // from here on, nobody reads or writes it here
/// registers.address.write(block.device_address());
/// answers.down();                      // the device is done
/// let block = block.take_back();
/// info!("{}", block[0]);
/// ```
#[must_use = "dropping it frees the memory"]
pub struct Dma<'d, T: Plain> {
    memory: NonNull<T>,
    grant: Grant<'d>,
}

/// A `T` that the device has. The driver can neither read nor write it until it takes it back. Dropping it does not free the memory, which
/// the device may still write: it ends with the device.
#[must_use = "the memory stays in use until the device is gone, unless it is taken back"]
pub struct InDevice<'d, T: Plain> {
    memory: NonNull<T>,
    grant: Grant<'d>,
}

// SAFETY: it owns the memory, and a `Plain` type is `Send`.
unsafe impl<T: Plain> Send for Dma<'_, T> {}
// SAFETY: a shared one gives out `&T` alone, and a `Plain` type is `Sync`.
unsafe impl<T: Plain> Sync for Dma<'_, T> {}
// SAFETY: as for `Dma`.
unsafe impl<T: Plain> Send for InDevice<'_, T> {}
// SAFETY: it gives out no reference.
unsafe impl<T: Plain> Sync for InDevice<'_, T> {}

impl<'d> Device<'d> {
    /// Allocates a `T` of zeros that the device can reach, on its node or the nearest that has memory. It begins on a page, and is contiguous.
    /// Returns `None` if there is no such memory.
    pub fn allocate<T: Plain>(self) -> Option<Dma<'d, T>> {
        self.allocate_up_to(0)
    }

    /// Allocates a `T` as [`Device::allocate`] does, for a device that reaches no address above `highest`. 0 means the limit of the device's
    /// bus.
    pub fn allocate_up_to<T: Plain>(self, highest: u64) -> Option<Dma<'d, T>> {
        let (memory, grant) = grant::allocate(self, highest, Content::Zeros)?;
        Some(Dma { memory, grant })
    }
}

impl<'d, T: Plain> Dma<'d, T> {
    /// Hands the memory over to the device, which sees all that was written. The driver then tells the device the address.
    pub fn hand_over(self) -> InDevice<'d, T> {
        // What was written is written before the device hears of it.
        fence(Ordering::Release);
        let in_device = InDevice { memory: self.memory, grant: self.grant };
        core::mem::forget(self);
        in_device
    }

    /// Returns the node of the memory.
    #[must_use]
    pub const fn node(&self) -> Node {
        self.grant.node
    }
}

impl<'d, T: Plain> InDevice<'d, T> {
    /// Returns the address of the first byte, for the device.
    #[must_use]
    pub const fn device_address(&self) -> u64 {
        self.grant.address
    }

    /// Takes the memory back, with what the device has written. The device has said that it is done, or it was reset or disabled: one that
    /// still has the address and goes on writing changes what the driver reads.
    pub fn take_back(self) -> Dma<'d, T> {
        // What says that the device is done was read before.
        fence(Ordering::Acquire);
        Dma { memory: self.memory, grant: self.grant }
    }
}

impl<T: Plain> Deref for Dma<'_, T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        // SAFETY: the kernel has granted the memory, with zeros at first, and it stays as long as this value. Any bytes are a `T`, whatever
        // the device has written. It is not the device's now.
        unsafe { self.memory.as_ref() }
    }
}

impl<T: Plain> DerefMut for Dma<'_, T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as in `deref`, and this value is borrowed mutably.
        unsafe { self.memory.as_mut() }
    }
}

impl<T: Plain> Drop for Dma<'_, T> {
    fn drop(&mut self) {
        // SAFETY: the function takes any number. Nothing refers to the memory any more.
        unsafe { abi::Kernel_FreeDma(self.grant.address) };
    }
}
