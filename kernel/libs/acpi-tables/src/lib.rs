//! Firmware's tables of locality, from bytes to checked values: SRAT, SLIT, MADT, HMAT and MSCT (ACPI 6.5 §5.2).
//!
//! [`read_tables`] leads from the root pointer to all tables. [`find_srat`] and its companions pick one out of them and
//! check its length and its checksum; [`Srat::entries`], [`Madt::cpus`], [`Slit::distance`], [`Hmat::entries`] and
//! [`Msct::domains`] read it. Nothing here allocates, copies a table
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
mod cap;
mod device_handle;
mod entry;
mod find;
mod finding;
mod hmat;
mod known_memory;
mod madt;
mod msct;
mod root;
mod rule;
mod signature;
mod slit;
mod srat;
#[cfg(test)]
mod tests;
mod what;
pub mod wire;

pub use cap::Capped;
pub use device_handle::DeviceHandle;
pub use find::{find_hmat, find_madt, find_msct, find_slit, find_srat};
pub use finding::{Action, Finding, Findings};
pub use hmat::{
    Attachment, Direction, Hmat, HmatEntry, HmatReader, Matrix, MatrixValue, Quantity, SideCache,
};
pub use known_memory::KnownMemory;
pub use madt::{Madt, MadtCpu, MadtReader};
pub use msct::{Msct, MsctDomains};
pub use root::{MAX_TABLE_SIZE, MAX_TABLES, PhysicalMemory, read_table, read_tables};
pub use rule::Rule;
pub use signature::Signature;
pub use slit::Slit;
pub use srat::{Srat, SratCpu, SratDevice, SratEntry, SratMemory, SratReader};
pub use what::{HmatFault, RootFault, What};
