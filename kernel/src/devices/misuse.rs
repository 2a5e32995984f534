//! Reports what drivers do wrong with devices: the first mistake of each kind and driver.
use crate::threads::owner::Owner;
use core::fmt::Display;

/// A kind of mistake.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Misuse {
    /// An id that is no device's.
    NoDevice,
    /// A device of another driver, of the kernel, or of nobody.
    ForeignDevice,
    /// An address at which nothing of the driver's devices is mapped.
    NoMapping,
    /// A device address at which the driver has no memory.
    NoDmaMemory,
}

/// Logs the driver's first mistake of this kind. Any code may call this.
#[cold]
pub fn report(owner: &'static Owner, misuse: Misuse, description: impl Display) {
    if owner.note_misuse(misuse as u8) {
        log::warn!(target: "devices", "{} {description}; refused", owner.name());
    }
}
