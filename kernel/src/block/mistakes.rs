//! Mistakes of drivers with block devices: the log has one line for a driver's first mistake of each kind.
use crate::threads::misuses::Misuse;
use crate::threads::owner::Owner;
use crate::threads::whose_code;
use core::fmt::Display;

/// Logs a mistake of the code that runs, unless its driver has made one of this kind before.
#[cold]
#[inline(never)]
pub fn report(mistake: Misuse, description: impl Display) {
    let driver = whose_code::calling_driver();
    if !Owner::note_misuse(driver, mistake) {
        return;
    }
    match driver {
        Some(driver) => log::warn!(target: "block", "{}: {description}; refused", driver.name()),
        None => log::warn!(target: "block", "{description}; refused"),
    }
}
