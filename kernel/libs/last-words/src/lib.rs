//! What a machine that goes down still says: how much each CPU reports, in which order, and who gives the verdict.
//!
//! [`LastWords`] holds the decisions only. The caller writes the reports, sends the orders to stop, and bounds every wait. So
//! `tests/loom.rs` runs the kernel's own code in every interleaving of the CPUs.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(loom)]
extern crate std;

mod atomic;
mod last_words;
mod slot;

pub use last_words::{LastWords, Say, StopOrder};
pub use slot::Cause;
