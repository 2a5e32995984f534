//! The devices of the machine: what there is on PCI, and which driver owns it.

mod config_access;
mod config_ports;
pub mod device_registry;
pub mod dma;
pub mod dma_map;
mod ecam;
pub mod mappings;
mod pci_addresses;
mod pci_faults;
mod pci_scan;
pub mod power;
pub mod release;
pub mod report_refused;

pub use pci_scan::{functions, init, report_driver, scan_ticks};
