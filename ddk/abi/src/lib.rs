//! The driver ABI: every function, structure and constant that Proxima and its drivers share. This is its one definition.
//!
//! The C header `ddk/include/proxima.h` is generated from this crate. The kernel compiles only if its functions have the
//! types declared here. A driver in Rust depends on this crate and calls the functions directly; a driver in C includes
//! the header. `docs/driver-abi.md` is the full contract, and `docs/driver-guide.md` shows how to write a driver.
//!
//! Rules for all functions:
//!
//! - Nodes and CPUs are dense indices from 0. An address is in bytes; 0 means none, and frame 0 is never handed out.
//! - A structure that a driver fills begins with `Size`, its length in bytes, which the driver sets. The kernel refuses
//!   a structure shorter than the one it knows. It accepts a longer one, of any length, if the tail is
//!   zero.
//! - Nothing that a driver passes faults the kernel. A pointer that is null, misaligned or not mapped, an index out of
//!   range and an invalid value are refused as the function's text says.
//! - A function marked \[any\] never waits and never allocates: a timer's callback may call it, and a thread with interrupts off.
//!   One marked \[thread\] returns its error value there, and in the functions of a block device. The kernel logs a driver's
//!   first such call.
//! - Functions and structures may be added, never changed.
#![no_std]
#![allow(non_snake_case)] // Functions and fields have the names of the C header.

mod block;
mod cpu;
mod device;
mod dma;
mod driver;
mod exports;
mod interrupt;
mod life;
mod log;
mod memory;
mod numa;
mod per_cpu;
mod thread;
mod time;
mod wait;

pub use block::*;
pub use cpu::*;
pub use device::*;
pub use dma::*;
pub use driver::*;
pub use exports::EXPORTS;
pub use interrupt::*;
pub use life::*;
pub use log::*;
pub use memory::*;
pub use numa::*;
pub use per_cpu::*;
pub use thread::*;
pub use time::*;
pub use wait::*;
