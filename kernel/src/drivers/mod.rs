//! Drivers: found in the ramdisk, loaded, started.

mod driver;
mod late;
mod loader;
pub mod report_free;

use crate::platform::ramdisk::Ramdisk;
use crate::report::event_stream;
use alloc::string::{String, ToString};
use core::sync::atomic::{AtomicUsize, Ordering};
use driver::{Driver, StartError, Starting};
use events::{DriverStatus, Event};

/// The ramdisk's folder of drivers.
const FOLDER: &str = "drivers/";
const SUFFIX: &str = ".so";

/// How long the boot waits for a `Driver_Init` before it goes on.
const PATIENCE_NS: u64 = 10_000_000_000;

/// The drivers that have started.
static RUNNING: AtomicUsize = AtomicUsize::new(0);

/// Loads and starts every driver of the ramdisk, in the archive's order, and returns how many have started by then. A driver that
/// cannot be loaded or refuses to start is logged with its reason, and the next one follows. So is a driver whose `Driver_Init`
/// has not returned in time; its outcome is reported when it returns.
///
/// The boot CPU's thread calls this. It stays on that CPU, so all drivers begin there and lie in memory of its node.
pub fn start_all(ramdisk: &Ramdisk, resolve: fn(&str) -> Option<u64>) -> usize {
    for (path, bytes) in ramdisk.files() {
        let Some(name) = path.strip_prefix(FOLDER) else { continue };
        let name = name.strip_suffix(SUFFIX).unwrap_or(name);
        match Driver::load(name, bytes, resolve).and_then(Driver::start) {
            Ok(starting) => wait_for(starting),
            Err(error) => report(name, &Err(error)),
        }
    }
    RUNNING.load(Ordering::Relaxed)
}

/// Waits for a driver to start and reports the outcome. If it takes too long, reports that, and another thread waits.
fn wait_for(starting: Starting) {
    let name = starting.name();
    if starting.has_returned_within(PATIENCE_NS) {
        report(name, &starting.finish());
        return;
    }
    let reason = "Driver_Init has not returned after 10 s";
    log::warn!(target: "drivers", "{name} is still starting: {reason}; the boot goes on");
    event_stream::send(&Event::Driver {
        name: name.into(),
        status: DriverStatus::Starting,
        reason: reason.into(),
    });
    late::wait_for(starting, report);
}

/// Writes a driver's outcome to the log and to the event stream.
fn report(name: &str, outcome: &Result<(), StartError>) {
    let (status, reason) = match outcome {
        Ok(()) => {
            RUNNING.fetch_add(1, Ordering::Relaxed);
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
