//! Whose a grant is.
use core::sync::atomic::{AtomicU32, Ordering};

/// The owner of a grant: a number that the caller chooses, nobody in particular, or the kernel. Only its owner frees a grant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PageOwner(u32);

/// The highest number of an owner that the caller chooses.
const HIGHEST: u32 = 127;

impl PageOwner {
    /// The number of owners, nobody and the kernel included.
    pub const COUNT: usize = HIGHEST as usize + 2;

    /// The owner of grants that belong to nobody in particular. Its number is 0.
    pub const NOBODY: Self = Self(0);

    /// The owner of grants that only [`CpuCache::free_kernel_owned`](crate::CpuCache::free_kernel_owned) takes back. It has the highest
    /// number.
    pub const KERNEL: Self = Self(HIGHEST + 1);

    /// Returns the owner with this number, or `None` if it is above 127.
    #[inline]
    #[must_use]
    pub const fn new(number: usize) -> Option<Self> {
        if number <= HIGHEST as usize { Some(Self(number as u32)) } else { None }
    }

    /// Returns the owner's number, which is below [`PageOwner::COUNT`].
    #[inline(always)]
    #[must_use]
    pub const fn number(self) -> usize {
        self.0 as usize
    }

    /// Returns true if this is the kernel.
    #[inline(always)]
    pub(crate) const fn is_kernel(self) -> bool {
        self.0 == Self::KERNEL.0
    }

    /// Returns the number as it is stored, without the highest bit. The kernel's is nobody's: other bits protect its grants.
    #[inline(always)]
    pub(crate) const fn stored(self) -> u8 {
        (self.0 & HIGHEST) as u8
    }
}

/// An owner that can be replaced by another one.
#[derive(Debug)]
pub struct AtomicPageOwner(AtomicU32);

impl AtomicPageOwner {
    /// Returns a cell with this owner.
    #[must_use]
    pub const fn new(owner: PageOwner) -> Self {
        Self(AtomicU32::new(owner.0))
    }

    /// Returns the owner.
    #[inline(always)]
    pub fn load(&self) -> PageOwner {
        PageOwner(self.0.load(Ordering::Relaxed))
    }

    /// Replaces the owner.
    pub fn store(&self, owner: PageOwner) {
        self.0.store(owner.0, Ordering::Relaxed);
    }
}
