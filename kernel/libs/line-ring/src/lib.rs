//! A ring of lines between those who write them and the port that sends them.
//!
//! Any number of CPUs write, in any context, with or without interrupts. A writer takes no lock and never waits for another
//! writer. One CPU at a time sends.
//!
//! - [`LineRing::append`] puts a whole line into the ring, or nothing.
//! - [`LineRing::send_front`] takes the lines out in small pieces, in the order in which they were appended.
//! - [`LineRing::drain`] is the loop of a CPU that sends until nothing is left. It leaves no line behind.
//!
//! `tests/loom.rs` runs this code in every interleaving of writers and senders.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(loom)]
extern crate std;

mod atomic;
mod ring;
mod slot;

pub use ring::{Full, LineRing, Turn};
