//! Protection keys for supervisor pages: which driver has which key, and what code may write (Intel SDM vol. 3 §4.6.2).
//!
//! Each page has one of 16 keys. A CPU's rights forbid it to write pages of some keys. Key 0 is the kernel's, and every driver has a key
//! of its own. When there are more drivers than keys, the others share one.
#![no_std]
#![forbid(unsafe_code)]

mod key_table;
mod rights;

pub use key_table::{GivenBack, KeyTable};
pub use rights::{Key, Rights};

#[cfg(test)]
mod tests;
