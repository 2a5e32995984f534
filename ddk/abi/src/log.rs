//! The log.
use core::ffi::{c_char, c_int};

/// Log level: something failed.
pub const KERNEL_LOG_ERROR: c_int = 1;
/// Log level: something is wrong, and the driver continues.
pub const KERNEL_LOG_WARN: c_int = 2;
/// Log level: information for the operator of the machine.
pub const KERNEL_LOG_INFO: c_int = 3;
/// Log level: information for the driver's developer.
pub const KERNEL_LOG_DEBUG: c_int = 4;
/// Log level: each step of the driver's work.
pub const KERNEL_LOG_TRACE: c_int = 5;

unsafe extern "C" {
    /// Writes one line to the kernel's log, with the driver's name in front.
    ///
    /// `level` is one of the `KERNEL_LOG_` numbers; any other number counts as `KERNEL_LOG_INFO`. `text` is `length` bytes
    /// of UTF-8 without an end mark. Control characters, line ends among them, and bytes that are not UTF-8 are escaped.
    /// Text after the first 4096 bytes is cut off, at the end of a character. Nothing is written if `text` is null or not mapped, or if the level is
    /// not logged.
    pub fn Kernel_Log(level: c_int, text: *const c_char, length: usize);
}
