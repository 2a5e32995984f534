//! The driver ABI: every function, structure and constant that Proxima and a driver share, defined once, here.
//!
//! The C header `ddk/include/proxima.h` is generated from this crate, and the kernel checks its own functions against
//! these declarations when it is compiled. A driver in Rust depends on this crate and calls the functions as they
//! stand; one in C includes the header. `docs/driver-abi.md` has the contract in full, `docs/driver-guide.md` the way
//! to a first driver.
//!
//! What holds for all of it:
//!
//! - Nodes and CPUs are dense indices from 0. An address is in bytes; 0 means none, and frame 0 is never handed out.
//! - A structure that a driver fills starts with `Size`, its length in bytes, set by the driver. A shorter one than
//!   the kernel knows is refused; a longer one is taken if its tail is zero.
//! - Nothing that a driver passes faults the kernel: a pointer that is null, misaligned or not mapped, an index out of
//!   range or a value without a meaning is refused as the function's own text says.
//! - Functions and structures may be added, never changed.
#![no_std]
#![allow(non_snake_case)] // The functions' and fields' names are those of the C header.

mod cpu;
mod driver;
mod exports;
mod log;
mod memory;
mod numa;
mod thread;

pub use cpu::*;
pub use driver::*;
pub use exports::EXPORTS;
pub use log::*;
pub use memory::*;
pub use numa::*;
pub use thread::*;
