//! The export that writes to the log.
use super::pointer::DriverPointer;
use crate::threads::whose_code;
use ::log::Level;
use abi::{KERNEL_LOG_DEBUG, KERNEL_LOG_ERROR, KERNEL_LOG_TRACE, KERNEL_LOG_WARN};
use core::ffi::{c_char, c_int};
use driver_text::{Escaped, cut};

/// The most bytes of one line. The rest of a longer line is cut off.
const LONGEST: usize = 4096;

pub unsafe extern "C" fn log(level: c_int, text: *const c_char, length: usize) {
    // SAFETY: the condition of all exports (see the folder's `mod.rs`).
    let text = unsafe { DriverPointer::new(text.cast::<u8>()) };
    // One byte more tells whether the text is longer.
    let Some(bytes) = text.copy::<{ LONGEST + 1 }>(length) else { return };
    let level = match level {
        KERNEL_LOG_ERROR => Level::Error,
        KERNEL_LOG_WARN => Level::Warn,
        KERNEL_LOG_DEBUG => Level::Debug,
        KERNEL_LOG_TRACE => Level::Trace,
        _ => Level::Info,
    };
    let driver = whose_code::calling_driver().map_or("driver", |driver| driver.name());
    let ellipsis = if length > LONGEST { "..." } else { "" };
    ::log::log!(target: driver, level, "{}{ellipsis}", Escaped(cut(&bytes, LONGEST)));
}
