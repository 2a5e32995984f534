//! The arithmetic of clocks. It reads no register: the kernel passes in what it has read.
//!
//! The kernel's clock is the CPUs' time stamp counter, whose steps are called ticks. [`measured_rate`] computes the counter's
//! rate from [`Reading`]s of another counter with a known rate, and refuses implausible ones. A [`Vote`] compares the
//! rates that all sources give, and selects one. A [`Comparison`] compares the time stamp counters of two CPUs.
//! [`Pulses`] tell the interrupts of a comparator from others.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

mod compare;
mod counter;
mod cpuid;
mod fault;
mod hpet;
mod outcome;
mod pulses;
mod rate;
mod reading;
mod source;
mod vote;

pub use compare::{Comparison, Exchange};
pub use counter::{Counter, PIT, pm_timer};
pub use cpuid::{Leaf, rate_from_hypervisor, rate_from_leaf_15h, rate_from_leaf_16h};
pub use fault::{Fault, Rule};
pub use hpet::{HpetFault, hpet};
pub use outcome::WaitOutcome;
pub use pulses::Pulses;
pub use rate::{Hz, Period, Rate};
pub use reading::{Implausible, Reading, SLICES, measured_rate, tightest};
pub use source::Source;
pub use vote::{Vote, Winner};
