//! Firmware's tables of locality, from bytes to checked values: SRAT, SLIT and MADT (ACPI 6.5 §5.2).
//!
//! [`find_srat`], [`find_slit`] and [`find_madt`] pick a table out of all that the machine has and check its length and
//! its checksum; [`Srat::entries`], [`Madt::cpus`] and [`Slit::distance`] read it. Nothing here allocates, copies a table
//! or trusts a byte of it: a wrong entry is passed over by itself, a table is refused only when it cannot be read at
//! all, and everything that was not as it should be is told to the caller's [`Findings`].
//!
//! What the values mean together (nodes, overlaps, CPUs that one table has and another lacks) is for the crate `topology`.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(any(test, feature = "builder"))]
extern crate alloc;

#[cfg(any(test, feature = "builder"))]
pub mod builder;
mod entry;
mod find;
mod finding;
mod madt;
mod rule;
mod signature;
mod slit;
mod srat;
#[cfg(test)]
mod tests;
mod what;
pub mod wire;

pub use find::{find_madt, find_slit, find_srat};
pub use finding::{Action, Finding, Findings};
pub use madt::{Madt, MadtCpu, MadtReader};
pub use rule::Rule;
pub use signature::Signature;
pub use slit::Slit;
pub use srat::{Srat, SratCpu, SratEntry, SratMemory, SratReader};
pub use what::What;
