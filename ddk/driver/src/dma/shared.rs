//! Memory that the driver and a device use at the same time: a ring, for example. It consists of cells.
//!
//! The device may write the memory at any time, so no reference to a value in it exists: a [`DmaCell`] is read and written as a whole.
use super::grant::{self, Content, Grant};
use crate::device::Device;
use crate::memory::Node;
use crate::mmio::Word;
use core::cell::UnsafeCell;
use core::ops::Deref;
use core::ptr::NonNull;

/// An integer in memory that the driver and a device use at the same time.
#[repr(transparent)]
pub struct DmaCell<T>(UnsafeCell<T>);

// SAFETY: each access is one volatile instruction of an aligned integer, so it reads and writes whole values on any CPU.
unsafe impl<T: Word> Sync for DmaCell<T> {}

impl<T: Word> DmaCell<T> {
    /// Returns the value that is there now.
    #[inline(always)]
    #[must_use]
    pub fn get(&self) -> T {
        // SAFETY: the cell is valid memory, and every value of an integer is valid.
        unsafe { self.0.get().read_volatile() }
    }

    /// Writes a value. The device sees writes in their order.
    #[inline(always)]
    pub fn set(&self, value: T) {
        // SAFETY: the cell is valid memory, and no reference to its value exists.
        unsafe { self.0.get().write_volatile(value) }
    }
}

/// Types that consist of [`DmaCell`]s alone: arrays, and structures of [`crate::dma_struct!`].
///
/// # Safety
/// All fields are cells or arrays of them, and the type has no destructor.
pub unsafe trait DmaLayout: Sync + 'static {}

// SAFETY: it is a cell.
unsafe impl<T: Word> DmaLayout for DmaCell<T> {}
// SAFETY: the elements are cells.
unsafe impl<T: DmaLayout, const N: usize> DmaLayout for [T; N] {}

/// Defines a structure in memory that the driver and a device use at the same time, for [`crate::dma::SharedDma`]. Each field is an integer in a [`DmaCell`], or an array of such structures.
///
/// ```ignore
/// driver_kit::dma_struct! {
///     /// An element of a ring.
///     pub struct Element { pub address: u64, pub bytes: u32, pub flags: u32 }
/// }
/// ```
#[macro_export]
macro_rules! dma_struct {
    ($(#[$attribute:meta])* $visibility:vis struct $name:ident {
        $($(#[$field_attribute:meta])* $field_visibility:vis $field:ident: $word:ty),+ $(,)?
    }) => {
        $(#[$attribute])*
        #[repr(C)]
        $visibility struct $name {
            $($(#[$field_attribute])* $field_visibility $field: $crate::dma::DmaCell<$word>),+
        }

        // SAFETY: all fields are cells.
        unsafe impl $crate::dma::DmaLayout for $name {}
    };
}

/// Memory that the driver and a device use at the same time: `T`, with zeros in all cells at first unless the driver does without. It ends with the device, and not before,
/// because the device may still access it.
pub struct SharedDma<'d, T: DmaLayout> {
    memory: NonNull<T>,
    grant: Grant<'d>,
}

// SAFETY: it gives out shared references only, and `DmaLayout` types are `Sync`.
unsafe impl<T: DmaLayout> Send for SharedDma<'_, T> {}
// SAFETY: as for `Send`.
unsafe impl<T: DmaLayout> Sync for SharedDma<'_, T> {}

impl<'d> Device<'d> {
    /// Allocates memory that the driver and the device use at the same time, with zeros, on the device's node or the nearest that has some.
    /// It begins on a page, and is contiguous. Returns `None` if there is no such memory.
    #[must_use]
    pub fn allocate_shared<T: DmaLayout>(self) -> Option<SharedDma<'d, T>> {
        self.allocate_shared_up_to(0)
    }

    /// Allocates memory as [`Device::allocate_shared`] does, for a device that reaches no address above `highest`. 0 means the limit of
    /// the device's bus.
    #[must_use]
    pub fn allocate_shared_up_to<T: DmaLayout>(self, highest: u64) -> Option<SharedDma<'d, T>> {
        let (memory, grant) = grant::allocate(self, highest, Content::Zeros)?;
        Some(SharedDma { memory, grant })
    }

    /// Allocates memory as [`Device::allocate_shared`] does, but with any values in its cells at first. To clear a page takes as many
    /// instructions as some reads of a disk. The driver writes a cell before it tells the device of it.
    #[must_use]
    pub fn allocate_shared_not_zeroed<T: DmaLayout>(self) -> Option<SharedDma<'d, T>> {
        let (memory, grant) = grant::allocate(self, 0, Content::Any)?;
        Some(SharedDma { memory, grant })
    }
}

impl<T: DmaLayout> SharedDma<'_, T> {
    /// Returns the address of the first byte, for the device.
    #[must_use]
    pub const fn device_address(&self) -> u64 {
        self.grant.address
    }

    /// Returns the node of the memory.
    #[must_use]
    pub const fn node(&self) -> Node {
        self.grant.node
    }
}

impl<T: DmaLayout> Deref for SharedDma<'_, T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        // SAFETY: the kernel has granted the memory with zeros, which are valid in every cell, and it stays as long as the device. All
        // in it are cells, so a write by the device changes no value that a reference leads to.
        unsafe { self.memory.as_ref() }
    }
}
