//! The log.
use super::pointer;
use crate::threads::cpu_threads;
use ::log::Level;
use core::ffi::{c_char, c_int};
use core::fmt;

/// The most bytes of one line; what is longer is cut.
const LONGEST: usize = 4096;

pub unsafe extern "C" fn log(level: c_int, text: *const c_char, length: usize) {
    let Some(bytes) = pointer::copy::<LONGEST>(text.cast(), length) else { return };
    let level = match level {
        1 => Level::Error,
        2 => Level::Warn,
        4 => Level::Debug,
        5 => Level::Trace,
        _ => Level::Info,
    };
    let driver = cpu_threads::current_thread().driver_name().unwrap_or("driver");
    let cut = if length > LONGEST { "..." } else { "" };
    ::log::log!(target: driver, level, "{}{cut}", Escaped(&bytes));
}

/// Text from outside: control characters and what is not UTF-8 are escaped, so that a driver cannot write lines that are not
/// its own.
struct Escaped<'a>(&'a [u8]);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            for letter in chunk.valid().chars() {
                if letter.is_control() {
                    write!(out, "{}", letter.escape_default())?;
                } else {
                    write!(out, "{letter}")?;
                }
            }
            chunk.invalid().iter().try_for_each(|byte| write!(out, "\\x{byte:02x}"))?;
        }
        Ok(())
    }
}
