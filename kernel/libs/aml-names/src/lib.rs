//! Reads the devices and their constant objects from AML, the code of the DSDT and the SSDTs (ACPI 6.5 §20), without executing
//! it.
//!
//! [`read_host_bridges`] returns the PCI host bridges, and the devices near them that have a `_PXM` or a `_PRT`. [`read_devices`] returns all
//! devices. For each device, [`Device::value`] says whether an object is absent, a constant, or computed by a method.
//! [`Devices::domain_of`] answers which proximity domain a function of PCI has. [`read_soft_off`] says how the machine is switched off.
//!
//! The crate allocates nothing, copies no table and trusts no byte. It reads each byte a bounded number of times, whatever the
//! bytes are. It reports every fault to the caller's [`Findings`](acpi_tables::Findings), and what it cannot read it skips: a
//! package, or the rest of the package around a term. It does not see what methods define when they run, or tables that AML
//! loads.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(any(test, feature = "builder"))]
extern crate alloc;

mod bridges;
#[cfg(any(test, feature = "builder"))]
pub mod builder;
mod cursor;
mod device;
mod devices;
mod eisa_id;
mod frame;
#[cfg(any(test, feature = "builder"))]
pub mod invariants;
mod name_string;
mod object;
mod opcode;
mod path;
mod routing;
mod soft_off;
#[cfg(test)]
mod tests;
mod unreadable;
mod value;
mod walk;
mod windows;

pub use device::{Device, PciAddress};
pub use devices::{Devices, read_devices, read_host_bridges};
pub use eisa_id::EisaId;
pub use name_string::NameString;
pub use object::{Answer, Definition, Method, Object, ObjectName};
pub use path::{MAX_SEGMENTS, Path, Segment};
pub use routing::{Route, RouteSource, Routes};
pub use soft_off::{SoftOff, read_soft_off};
pub use value::{Buffer, Element, Elements, Package, Value};
pub use walk::MAX_NESTING;
pub use windows::{Window, WindowKind, Windows};
