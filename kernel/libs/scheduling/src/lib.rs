//! Chooses CPUs by distance: the CPU that a thread goes to, and the nodes by which an idle CPU looks for threads.
//!
//! The crate decides over plain values. It knows no threads and no queues: the caller says how busy each CPU is.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod cpu_map;
mod cpu_set;

pub use cpu_map::{COMPARED, CpuMap};
pub use cpu_set::{CpuSet, WORDS};
