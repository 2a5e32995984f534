//! Joins what firmware says about devices with the functions of PCI: which buses are roots, on which node a function
//! is, and to which line its pin leads.
//!
//! [`HostBridges::read`] takes the host bridges, with their windows, from AML. It borrows nothing from firmware's tables. [`locate`] then finds the node of
//! each function that the scan has found, from the `_PXM` objects, from the SRAT's generic initiators, and from the bridges above it.
//!
//! The crate allocates nothing.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate alloc;

mod host_bridges;
mod locate;
mod pin_routes;
#[cfg(test)]
mod tests;
mod way;

pub use host_bridges::{HostBridge, HostBridges, MAX_BRIDGES, MAX_PLACES, MAX_WINDOWS};
pub use locate::{DeviceNode, LocatedFunction, NodeSource, locate};
pub use pin_routes::{MAX_PIN_ROUTES, MAX_PIN_TABLES, NoPinRoute};
