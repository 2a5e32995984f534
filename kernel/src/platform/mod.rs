//! The machine as firmware describes it.

pub mod acpi;
pub mod clock_tables;
pub mod command_line;
pub mod cpu_topology;
mod findings;
pub mod numa_topology;
pub mod ramdisk;
