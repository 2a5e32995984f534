//! Drivers: found in the ramdisk, loaded, started, given their devices, and unloaded.

mod add_devices;
mod call;
mod driver;
mod end_driver;
mod failure;
mod fault_place;
mod files;
mod handover;
pub mod images;
pub mod interfaces;
mod late;
mod leaving;
mod loaded_drivers;
mod loader;
mod lost_devices;
mod overrun;
pub mod per_cpu_memory;
pub mod report_free;
pub mod report_misuse;
mod start;
mod unload;

pub use leaving::be_strict;
pub use overrun::start as start_watchdog;
pub use start::{LoadByNameError, load, start_all};
pub use unload::{UnloadError, unload};
