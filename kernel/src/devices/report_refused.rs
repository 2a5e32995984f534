//! Reports what drivers do wrong with devices: the first mistake of each kind and driver.
use crate::threads::owner::Owner;
use core::fmt::Display;

pub use crate::threads::misuses::Misuse;

/// Logs the driver's first mistake of this kind. Any code may call this.
#[cold]
pub fn report(owner: &'static Owner, misuse: Misuse, description: impl Display) {
    if Owner::note_misuse(Some(owner), misuse) {
        log::warn!(target: "devices", "{} {description}; refused", owner.name());
    }
}
