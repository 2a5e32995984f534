//! Unloading a driver by its name, and the report of it.
use super::end_driver::{DriverEnd, Why, end_driver};
use super::interfaces::{self, InUse};
use super::{failure, loaded_drivers};
use crate::report::event_stream;
use crate::threads::owner::Owner;
use crate::threads::whose_code;
use core::fmt;
use events::DriverText;

/// Why a driver is not unloaded.
#[derive(Debug)]
pub enum UnloadError {
    /// No driver of this name has started.
    NoSuchDriver,
    /// The driver itself calls.
    Itself,
    /// Another thread stops it.
    Stopping,
    /// Another driver uses an interface of it.
    InUse(InUse),
    /// It is stopped, but its memory stays, for the reason that this says. Another call tries again.
    Stays(DriverEnd),
}

impl fmt::Display for UnloadError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchDriver => out.write_str("no such driver has started"),
            Self::Itself => out.write_str("a driver cannot unload itself"),
            Self::Stopping => out.write_str("it is being stopped"),
            Self::InUse(InUse(user)) => write!(out, "{} uses an interface of it", user.name()),
            Self::Stays(end) => write!(out, "it is stopped{end}"),
        }
    }
}

/// Unloads the driver of this name: ends it, and takes back all that it has. The outcome is logged, with what was left.
///
/// # Errors
/// [`UnloadError`]; nothing is changed, except for [`UnloadError::Stays`].
pub fn unload(name: &str) -> Result<(), UnloadError> {
    let owner = loaded_drivers::find_started(name).ok_or(UnloadError::NoSuchDriver)?;
    if whose_code::calling_driver().is_some_and(|caller| core::ptr::eq(caller, owner)) {
        return Err(UnloadError::Itself);
    }
    if owner.resume_stop() {
        return finish(owner, Why::Stuck);
    }
    match interfaces::begin_stop(owner) {
        Err(user) => Err(UnloadError::InUse(user)),
        Ok(false) => Err(UnloadError::Stopping),
        // The functions of a driver that has failed are not called.
        Ok(true) if owner.has_failed() => finish(owner, Why::Failed),
        Ok(true) => finish(owner, Why::Unloaded),
    }
}

fn finish(owner: &'static Owner, why: Why) -> Result<(), UnloadError> {
    let end = end_driver(owner, why);
    if owner.has_failed() {
        failure::report(owner, end);
    }
    if end.is_in_memory() {
        return Err(UnloadError::Stays(end));
    }
    if owner.has_failed() {
        return Ok(());
    }
    let text = DriverText::unloaded(owner.name(), end.left);
    if end.left.is_nothing() {
        log::info!(target: "drivers", "{} unloaded", text.name());
    } else {
        log::warn!(target: "drivers", "{} unloaded; it left {}", text.name(), end.left);
    }
    event_stream::send_driver(&text);
    Ok(())
}
