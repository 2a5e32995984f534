//! Lines of the kernel's log.
use core::ffi::c_int;
use core::fmt::{self, Write};

/// How important a line is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Level {
    /// Something failed.
    Error,
    /// Something is wrong, and the driver continues.
    Warn,
    /// Information for the operator of the machine.
    Info,
    /// Information for the driver's developer.
    Debug,
    /// Each step of the driver's work.
    Trace,
}

impl Level {
    const fn number(self) -> c_int {
        match self {
            Self::Error => abi::KERNEL_LOG_ERROR,
            Self::Warn => abi::KERNEL_LOG_WARN,
            Self::Info => abi::KERNEL_LOG_INFO,
            Self::Debug => abi::KERNEL_LOG_DEBUG,
            Self::Trace => abi::KERNEL_LOG_TRACE,
        }
    }
}

/// The most bytes of a line. The rest of a longer line is cut off.
const LONGEST: usize = 256;

/// Writes one line, with the driver's name in front. May be called in a handler. Text after the first 256 bytes is cut off.
pub fn write(level: Level, text: fmt::Arguments<'_>) {
    let mut line = Line { bytes: [0; LONGEST], length: 0 };
    // `Line` never returns an error.
    let _ = line.write_fmt(text);
    // SAFETY: the first `length` bytes of the local buffer are the line's text, and nothing writes them during the call.
    unsafe { abi::Kernel_Log(level.number(), line.bytes.as_ptr().cast(), line.length) };
}

struct Line {
    bytes: [u8; LONGEST],
    length: usize,
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = self.bytes.len() - self.length;
        let text = &text[..text.floor_char_boundary(room)];
        self.bytes[self.length..][..text.len()].copy_from_slice(text.as_bytes());
        self.length += text.len();
        Ok(())
    }
}

/// Logs that something failed.
#[macro_export]
macro_rules! error {
    ($($text:tt)+) => { $crate::log::write($crate::log::Level::Error, ::core::format_args!($($text)+)) };
}

/// Logs that something is wrong, and that the driver continues.
#[macro_export]
macro_rules! warn {
    ($($text:tt)+) => { $crate::log::write($crate::log::Level::Warn, ::core::format_args!($($text)+)) };
}

/// Logs information for the operator of the machine.
#[macro_export]
macro_rules! info {
    ($($text:tt)+) => { $crate::log::write($crate::log::Level::Info, ::core::format_args!($($text)+)) };
}

/// Logs information for the driver's developer.
#[macro_export]
macro_rules! debug {
    ($($text:tt)+) => { $crate::log::write($crate::log::Level::Debug, ::core::format_args!($($text)+)) };
}

/// Logs a step of the driver's work.
#[macro_export]
macro_rules! trace {
    ($($text:tt)+) => { $crate::log::write($crate::log::Level::Trace, ::core::format_args!($($text)+)) };
}
