//! Where threads go: which CPU a thread is placed on, and whom an idle CPU takes work from, both by distance.
//!
//! Plain decisions over plain values. Who runs, waits or sleeps is the kernel's to know; it hands in how busy a CPU is.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod cpu_map;
mod cpu_set;

pub use cpu_map::CpuMap;
pub use cpu_set::{CpuSet, WORDS};
