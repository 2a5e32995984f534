//! Pushing: a driver's file comes to the running kernel, and its driver is loaded, or takes the place of the one of its name.
use super::loaded_drivers;
use super::loader;
use super::pushed_files::{self, FilesInUse, KeepError};
use super::start::{self, LoadByNameError};
use super::unload::{self, UnloadError};
use crate::threads::Mutex;
use alloc::vec::Vec;
use arrayvec::ArrayString;
use core::fmt;
use driver_text::{NameError, file_name, one_line};

/// Held while a driver is pushed.
static PUSHING: Mutex<()> = Mutex::new(());

/// What a push has done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pushed {
    /// The driver is loaded.
    Loaded,
    /// The driver of this name was unloaded, and the new one is loaded.
    Replaced,
}

/// Why a driver that was pushed is not loaded.
#[derive(Debug)]
pub enum PushError {
    /// It has no valid name.
    Name(NameError),
    /// Its file cannot be loaded. The driver of this name, if there is one, goes on.
    File(ArrayString<96>),
    /// The driver of this name was not unloaded.
    Unload(UnloadError),
    /// The file is not kept.
    Keep(KeepError),
    /// It was not loaded.
    Load(LoadByNameError, ArrayString<96>),
}

impl fmt::Display for PushError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(error) => error.fmt(out),
            Self::File(what) => out.write_str(what),
            Self::Unload(error) => write!(out, "the loaded one is not unloaded: {error}"),
            Self::Keep(KeepError::TooManyNames) => out.write_str("too many drivers were pushed"),
            Self::Keep(KeepError::NoRoom) => {
                out.write_str("there is no room for more files: earlier ones are in use")
            }
            Self::Keep(KeepError::NoMemory) => out.write_str("there is no memory"),
            Self::Load(error, reason) if reason.is_empty() => error.fmt(out),
            Self::Load(error, reason) => write!(out, "{error}: {reason}"),
        }
    }
}

/// Loads a driver from these bytes, in place of the loaded one of its name.
///
/// # Errors
/// [`PushError`]. For [`PushError::Name`], [`PushError::File`] and [`PushError::Unload`] nothing has changed.
pub fn push(name: &str, bytes: Vec<u8>) -> Result<Pushed, PushError> {
    let _pushing = PUSHING.lock();
    let mut path = ArrayString::<128>::new();
    // The protocol's names are shorter.
    let _ = path.try_push_str(name).and_then(|()| path.try_push_str(".so"));
    file_name(&path, [""; 0]).map_err(PushError::Name)?;
    loader::check(&bytes, start::resolve().ok_or(PushError::Keep(KeepError::NoMemory))?)
        .map_err(PushError::File)?;
    let name: ArrayString<96> = one_line(name);
    let is_loaded = loaded_drivers::find(&name).is_some();
    if is_loaded {
        unload::unload(&name).map_err(PushError::Unload)?;
    }
    pushed_files::keep(name, bytes).map_err(PushError::Keep)?;
    let _in_use = FilesInUse::begin();
    match start::load(&name) {
        Ok(()) => Ok(if is_loaded { Pushed::Replaced } else { Pushed::Loaded }),
        Err(error) => Err(PushError::Load(error, start::reason_of(&name))),
    }
}
