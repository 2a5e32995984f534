//! Whether a driver that has failed is loaded again: the parameter `driver.NAME.restart=N` allows N attempts.
use super::end_driver::DriverEnd;
use crate::platform::command_line;
use crate::threads::owner::Owner;
use core::fmt;

/// An attempt to load a driver again.
#[derive(Clone, Copy)]
pub struct Attempt {
    /// Counted from 1, from boot on.
    number: u32,
    /// How many there may be.
    of: u32,
}

impl fmt::Display for Attempt {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "attempt {} of {} after a failure", self.number, self.of)
    }
}

/// Counts an attempt to load a driver again that has ended after a failure. Returns `None`, and logs the reason if one was asked for, if there
/// is to be none.
pub fn next_attempt(owner: &Owner, end: &DriverEnd) -> Option<Attempt> {
    let of = command_line::restarts_of(owner.name()).filter(|of| *of > 0)?;
    if end.is_in_memory() {
        log::warn!(target: "drivers", "{} is not loaded again: its memory stays", owner.name());
        return None;
    }
    let Some(number) = owner.count_restart(of) else {
        log::warn!(target: "drivers", "{} is not loaded again: it has failed after {of} attempts", owner.name());
        return None;
    };
    Some(Attempt { number, of })
}
