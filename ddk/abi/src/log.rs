//! The log.
use core::ffi::{c_char, c_int};

/// Log level: something failed.
pub const KERNEL_LOG_ERROR: c_int = 1;
/// Log level: something is not as it should be, and work goes on.
pub const KERNEL_LOG_WARN: c_int = 2;
/// Log level: what whoever watches the machine wants to know.
pub const KERNEL_LOG_INFO: c_int = 3;
/// Log level: what whoever works on the driver wants to know.
pub const KERNEL_LOG_DEBUG: c_int = 4;
/// Log level: each step.
pub const KERNEL_LOG_TRACE: c_int = 5;

unsafe extern "C" {
    /// Writes one line to the kernel's log, with the driver's name in front.
    ///
    /// `level` is one of the `KERNEL_LOG_` numbers; any other number counts as `KERNEL_LOG_INFO`. `text` is UTF-8 of `length`
    /// bytes and needs no end mark; control characters, line ends among them, and bytes that are not UTF-8 are
    /// escaped, and a line of more than 4096 bytes is cut. Nothing is written when `text` is null or not mapped, or the
    /// level is not logged.
    pub fn Kernel_Log(level: c_int, text: *const c_char, length: usize);
}
