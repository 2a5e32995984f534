//! What CPUs ask of each other, and how each of them knows that it was answered.
//!
//! - [`Shootdown`]: every CPU forgets the translations that one CPU has removed from the page tables.
//! - [`DrainRequest`]: a CPU gives back the free pages in its cache.
//!
//! These are the protocols only. Interrupts, page tables, caches and the clock are the caller's: they come as closures and plain
//! values. So `tests/loom.rs` runs the very code that the kernel runs, in every order in which CPUs can interleave.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(loom)]
extern crate std;

mod atomic;
mod drain;
mod shootdown;

pub use drain::{DrainRequest, Patience};
pub use shootdown::{CpuTranslations, Shootdown};
