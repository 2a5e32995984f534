//! Finds the functions of PCI and reads what they say about themselves (PCI 3.0, PCI Express 6.0).
//!
//! [`scan`] visits the buses of a segment, goes behind bridges, and gives each function as a [`Function`]: ids, class, BARs,
//! MSI and MSI-X. [`Capabilities`] and [`ExtendedCapabilities`] walk a function's lists. [`assign`] gives addresses to BARs
//! that have none. The kernel brings the access to configuration space, as a [`ConfigSpace`].
//!
//! The crate allocates nothing and trusts no byte of a device. Whatever a device answers, the scan ends, and what cannot be
//! true is left out and reported as a [`Fault`].
#![no_std]
#![forbid(unsafe_code)]

#[cfg(any(test, feature = "model"))]
extern crate alloc;
#[cfg(test)]
extern crate std;

mod address_range;
mod assign;
mod bar;
mod bar_part;
mod bridge_forward;
mod bridge_windows;
mod buses;
mod capability;
mod class;
pub mod command;
mod config;
mod config_part;
mod extended_capability;
mod fault;
mod find_capability;
mod function;
mod function_match;
mod kernel_registers;
mod message;
mod message_control;
#[cfg(any(test, feature = "model"))]
pub mod model;
mod pin;
mod reach;
mod reset;
mod root_window;
mod rule;
mod scan;
mod taken;
#[cfg(test)]
mod tests;

pub use address_range::{AddressRange, Space};
pub use assign::{TAKEN_PER_FUNCTION, assign, lacks_addresses};
pub use bar::{Bar, BarKind};
pub use bar_part::BarPart;
pub use bridge_forward::forward;
pub use buses::BusSet;
pub use capability::{Capabilities, Capability, id};
pub use class::Class;
pub use config::{ABSENT, ConfigSpace, SLOTS, is_present};
pub use config_part::{ConfigPart, EXTENDED_SIZE};
pub use extended_capability::{ExtendedCapabilities, ExtendedCapability};
pub use fault::{Fault, Problem};
pub use find_capability::{CapabilityId, find_capability};
pub use function::{Express, Function, Header, PortType};
pub use function_match::FunctionMatch;
pub use kernel_registers::KernelRegisters;
pub use message::{Msi, MsiX, Place};
pub use message_control::{ENTRY_MASKED, ENTRY_SIZE, MsiXState};
pub use pci_types::PciAddress;
pub use pin::Pin;
pub use reset::{ResetError, reset};
pub use root_window::RootWindow;
pub use rule::Rule;
pub use scan::scan;
pub use taken::Taken;
