//! The devices of the machine: what there is on PCI.

mod config_ports;
mod ecam;
mod pci_addresses;
mod pci_faults;
mod pci_scan;

pub use pci_scan::{functions, init, scan_ticks};
