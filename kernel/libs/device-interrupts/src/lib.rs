//! Interrupts of devices, as far as they need no machine.
//!
//! - [`VectorSet`]: which vectors of a CPU are free.
//! - [`Barrier`]: a CPU proves that it has handled every interrupt of a device that had reached it.
//! - [`by_nearness`]: which CPU handles an interrupt of a device.
//! - [`Tally`] and [`Streak`]: what is counted of a handler and of a line.
//!
//! The caller passes the CPUs, the interrupts between them and the clock as plain values. So `tests/loom.rs` runs the kernel's
//! own code in every interleaving of the CPUs.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(loom)]
extern crate std;

mod atomic;
mod barrier;
mod spread;
mod tally;
mod vectors;

pub use barrier::Barrier;
pub use spread::by_nearness;
pub use tally::{Counts, STREAK_LIMIT, Streak, Tally};
pub use vectors::{FIRST_VECTOR, LAST_VECTOR, VectorSet};
