//! The machine as firmware, the boot loader and the emulator describe it.

pub mod acpi;
pub mod clock_tables;
pub mod command_line;
pub mod cpu_topology;
pub mod findings;
pub mod interrupt_tables;
pub mod numa_topology;
pub mod pci_tables;
pub mod power_end;
pub mod power_tables;
pub mod qemu;
pub mod ramdisk;
