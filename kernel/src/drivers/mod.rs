//! Drivers: found in the ramdisk, loaded, started.

mod driver;
mod loader;
pub mod report_free;

use crate::platform::cpu_topology;
use crate::platform::ramdisk::Ramdisk;
use crate::report::event_stream;
use crate::threads::cpu_threads;
use crate::threads::lifecycle;
use alloc::string::{String, ToString};
use driver::{Driver, StartError};
use events::{DriverStatus, Event};
use scheduling::CpuSet;

/// The ramdisk's folder of drivers.
const FOLDER: &str = "drivers/";
const SUFFIX: &str = ".so";

/// Loads and starts every driver of the ramdisk, in the archive's order, and returns how many run. A driver that cannot be
/// loaded or refuses to start is logged with its reason, and the next one follows.
pub fn start_all(ramdisk: &Ramdisk, resolve: fn(&str) -> Option<u64>) -> usize {
    let mut running = 0;
    for (path, bytes) in ramdisk.files() {
        let Some(name) = path.strip_prefix(FOLDER) else { continue };
        let name = name.strip_suffix(SUFFIX).unwrap_or(name);
        stay_on_boot_cpu();
        let outcome = Driver::load(name, bytes, resolve).and_then(Driver::start);
        report(name, &outcome);
        running += usize::from(outcome.is_ok());
    }
    stay_on_boot_cpu();
    running
}

/// Moves this thread to the boot CPU and keeps it there, as each driver may change the affinity. Which node's memory a
/// driver lies in, and where its `Driver_Init` runs, does not depend on the drivers before it.
fn stay_on_boot_cpu() {
    let boot_cpu = CpuSet::from_iter([cpu_topology::boot_cpu().id]);
    // The boot CPU is online and this thread exists, so the call succeeds.
    let _ = lifecycle::set_affinity(cpu_threads::current_thread().id, &boot_cpu);
}

/// Writes a driver's outcome to the log and to the event stream.
fn report(name: &str, outcome: &Result<(), StartError>) {
    let (status, reason) = match outcome {
        Ok(()) => {
            log::info!(target: "drivers", "{name} loaded");
            (DriverStatus::Loaded, String::new())
        }
        Err(error) => {
            log::warn!(target: "drivers", "{name} refused: {error}");
            (DriverStatus::Refused, error.to_string())
        }
    };
    event_stream::send(&Event::Driver { name: name.into(), status, reason: reason.into() });
}
