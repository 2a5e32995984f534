//! Machines for Proxima to boot on: how each is described, started in QEMU, and judged.
//!
//! ```text
//! Machine ──► qemu arguments ──► one QEMU process ──► Run { verdict, serial, events }
//! ```
//!
//! The tests in `tests/` read the output of COM2 through [`event`]. This crate shares no code with the kernel, so that a field
//! which the kernel renames is missing here.
#![forbid(unsafe_code)]

pub mod artifacts;
pub mod driver;
pub mod event;
pub mod machine;
pub mod process;
pub mod push;
pub mod qemu;
pub mod run;
pub mod screenshot;

pub use machine::{BootDisk, Disk, Firmware, Machine, Node};
pub use run::{Run, Verdict};
pub use screenshot::Screenshot;
