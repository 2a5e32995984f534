//! The export that writes to the log.
use super::pointer::DriverPointer;
use crate::threads::cpu_threads;
use ::log::Level;
use abi::{KERNEL_LOG_DEBUG, KERNEL_LOG_ERROR, KERNEL_LOG_TRACE, KERNEL_LOG_WARN};
use core::ffi::{c_char, c_int};
use core::fmt;

/// The most bytes of one line. The rest of a longer line is cut off.
const LONGEST: usize = 4096;

pub unsafe extern "C" fn log(level: c_int, text: *const c_char, length: usize) {
    // SAFETY: the condition of all exports (see the folder's `mod.rs`).
    let text = unsafe { DriverPointer::new(text.cast::<u8>()) };
    let Some(bytes) = text.copy::<LONGEST>(length) else { return };
    let level = match level {
        KERNEL_LOG_ERROR => Level::Error,
        KERNEL_LOG_WARN => Level::Warn,
        KERNEL_LOG_DEBUG => Level::Debug,
        KERNEL_LOG_TRACE => Level::Trace,
        _ => Level::Info,
    };
    let driver = cpu_threads::current_thread().driver_name().unwrap_or("driver");
    let ellipsis = if length > LONGEST { "..." } else { "" };
    ::log::log!(target: driver, level, "{}{ellipsis}", Escaped(&bytes));
}

/// A driver's text with control characters and invalid UTF-8 escaped, so that one call writes one line.
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
