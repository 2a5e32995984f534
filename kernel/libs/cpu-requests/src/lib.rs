//! The requests that CPUs make of each other, and their answers.
//!
//! - [`Shootdown`]: every CPU flushes the translations that one CPU has removed from the page tables.
//! - [`DrainRequest`]: a CPU returns the free pages in its cache to their node.
//! - [`GracePeriods`]: every CPU leaves the sections in which it may use what one CPU has removed.
//! - [`LookRequest`]: a CPU looks at what it runs, also where its interrupts are off.
//!
//! The crate has the protocols only. The caller passes interrupts, page tables, caches and the clock as closures and plain
//! values. So `tests/loom.rs` runs the kernel's own code in every interleaving of the CPUs.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(loom)]
extern crate std;

mod atomic;
mod drain;
mod grace;
mod look;
mod shootdown;

pub use drain::{DrainRequest, Patience};
pub use grace::{CpuPassed, GracePeriods};
pub use look::LookRequest;
pub use shootdown::{CpuTranslations, Shootdown};
