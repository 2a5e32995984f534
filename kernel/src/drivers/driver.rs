//! A driver: what the kernel keeps of it for good.
use super::refusals::Refusals;
use crate::threads::owner::Owner;

/// A driver. It lives for good. Begins with what its threads refer to.
#[repr(C)]
pub struct Driver {
    /// What its threads know it by.
    pub owner: Owner,
    /// What it freed and was refused.
    pub refusals: Refusals,
}

impl Driver {
    /// A driver without threads.
    pub fn new(name: &str) -> Self {
        Self { owner: Owner::new(name), refusals: Refusals::new() }
    }

    /// The driver that this is the owner of.
    pub fn of(owner: &'static Owner) -> &'static Self {
        // SAFETY: `Driver::new` makes the only owners that threads are given, each the first field of a driver.
        unsafe { &*core::ptr::from_ref(owner).cast() }
    }
}
