//! Who owns a slab: the kernel, or one driver.

/// The number of owners: the kernel and the drivers.
pub const OWNERS: usize = 128;

/// The owner of blocks. All blocks of a slab have the same owner.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(transparent)]
pub struct OwnerId(u8);

impl OwnerId {
    /// The kernel itself.
    pub const KERNEL: Self = Self(0);

    /// Returns the owner of this number, or `None` from [`OWNERS`] on. 0 is the kernel.
    #[must_use]
    pub const fn new(index: usize) -> Option<Self> {
        if index < OWNERS { Some(Self(index as u8)) } else { None }
    }

    /// Returns the owner's number.
    #[inline]
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}
