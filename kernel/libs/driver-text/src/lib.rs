//! Text that drivers and their files bring: the names of files, and lines of the log.
//!
//! Whatever the bytes are, the text becomes one line without control characters, of a bounded length. The crate does not allocate.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

mod escaped;
mod file_name;
mod one_line;

pub use escaped::{Escaped, cut};
pub use file_name::{NameError, file_name};
pub use one_line::{one_line, text_as_one_line};
