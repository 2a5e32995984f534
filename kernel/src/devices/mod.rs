//! The devices of the machine: what there is on PCI, and which driver owns it.

mod config_access;
mod config_ports;
mod ecam;
mod misuse;
mod pci_faults;
mod pci_scan;
pub mod power;
pub mod registry;
pub mod release;

pub use pci_scan::{functions, init, scan_ticks};
