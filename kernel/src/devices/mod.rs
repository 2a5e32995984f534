//! The devices of the machine: what there is on PCI, which driver owns it, its memory and its interrupts.

mod config_access;
mod config_ports;
pub mod device_registry;
pub mod dma;
pub mod dma_map;
mod ecam;
pub mod holdings;
pub mod interrupt_allocation;
pub mod interrupt_attach;
mod interrupt_change;
mod interrupt_cpus;
pub mod interrupt_lines;
pub mod interrupt_mask;
pub mod interrupt_move;
mod interrupt_registers;
mod interrupt_reset;
pub mod interrupt_routes;
mod interrupt_state;
mod io_apics;
pub mod isa_interrupts;
pub mod mappings;
mod message_move;
mod message_table;
pub mod nmi_timer;
mod pci_addresses;
mod pci_faults;
mod pci_scan;
pub mod power;
pub mod release;
pub mod report_refused;

pub use interrupt_cpus::by_index as cpu_by_index;
pub use interrupt_state::{InterruptDescription, InterruptKind};
pub use io_apics::silence as silence_interrupts;
pub use pci_scan::{functions, init, report_driver, scan_ticks};
