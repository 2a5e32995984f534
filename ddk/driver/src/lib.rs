//! The driver ABI for safe Rust: a driver built on this crate needs no `unsafe`.
//!
//! A driver is a `staticlib` with `#![no_std]` and `#![forbid(unsafe_code)]`. The macro [`driver!`] defines its entry, its
//! exit and its panic handler. `docs/driver-guide.md` shows a whole driver.
//!
//! The modules, one for each part of the ABI: [`device`], [`mmio`], [`dma`], [`drivers`], [`interrupt`], [`block`], [`log`], [`memory`], [`per_cpu`],
//! [`thread`], [`sync`], [`time`], [`timer`].
#![no_std]

#[cfg(test)]
extern crate std;

pub mod block;
pub mod device;
pub mod dma;
pub mod driver;
pub mod drivers;
pub mod interrupt;
pub mod log;
pub mod memory;
pub mod mmio;
pub mod per_cpu;
pub mod sync;
pub mod thread;
pub mod time;
pub mod timer;

/// The declarations of the ABI, for constants and structures.
pub use abi;
