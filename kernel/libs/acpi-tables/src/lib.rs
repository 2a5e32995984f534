//! Reads firmware's locality tables: SRAT, SLIT, MADT, HMAT and MSCT (ACPI 6.5 §5.2).
//!
//! [`read_tables`] follows the root pointer to all tables. [`find_srat`] and its siblings select one table and check its
//! length and its checksum. [`Srat::entries`], [`Madt::cpus`], [`Slit::distance`], [`Hmat::entries`] and
//! [`Msct::domains`] read it. [`find_hpet`] and [`find_pm_timer`] return the place of a clock.
//! [`Madt::io_apics`] and [`opts_out_of_x2apic`] say how interrupts are delivered. [`Mcfg::ranges`] says where the
//! configuration space of PCI is mapped. [`find_power_registers`] returns what switches the machine off and resets it.
//!
//! The crate allocates nothing, copies no table and trusts no byte. It skips a faulty entry by itself and refuses a table
//! only if it cannot read it at all. It reports every fault to the caller's [`Findings`]. The crate `topology` combines
//! the values of all tables into nodes.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(any(test, feature = "builder"))]
extern crate alloc;

mod action;
mod block;
#[cfg(any(test, feature = "builder"))]
pub mod builder;
mod cap;
mod checksum;
mod clock;
mod device_handle;
mod dmar;
mod entry;
mod fault;
mod find;
mod finding;
mod hmat;
mod known_memory;
mod madt;
mod mcfg;
mod msct;
mod power;
mod root;
mod rule;
mod signature;
mod slit;
mod srat;
#[cfg(test)]
mod tests;
pub mod wire;

pub use action::Action;
pub use block::{DefinitionBlock, DefinitionBlocks, find_dsdt_address};
pub use cap::Capped;
pub use clock::{PmTimer, find_hpet, find_pm_timer};
pub use device_handle::DeviceHandle;
pub use dmar::opts_out_of_x2apic;
pub use fault::{
    AmlFault, AmlFaultKind, EntryFault, Fault, HmatFault, LimitFault, MadtFault, McfgFault, MemoryFault,
    MemoryMapFault, MsctFault, RootFault, SlitFault, SratFault, TableFault,
};
pub use find::{find_hmat, find_madt, find_mcfg, find_msct, find_slit, find_srat};
pub use finding::{Finding, Findings};
pub use hmat::{
    Attachment, Direction, Hmat, HmatEntry, HmatReader, Matrix, MatrixValue, Quantity, SideCache,
};
pub use known_memory::KnownMemory;
pub use madt::{IoApicEntry, IsaLine, Madt, MadtCpu, MadtReader};
pub use mcfg::{Mcfg, McfgRange};
pub use msct::{Msct, MsctDomains};
pub use power::{PowerRegisters, ResetPlace, ResetRegister, find_power_registers};
pub use root::{MAX_TABLE_SIZE, MAX_TABLES, PhysicalMemory, RootTable, read_table, read_tables};
pub use rule::Rule;
pub use signature::Signature;
pub use slit::Slit;
pub use srat::{Srat, SratCpu, SratDevice, SratEntry, SratMemory, SratReader};
