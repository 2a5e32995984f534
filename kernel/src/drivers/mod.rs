//! Drivers: found in the ramdisk, loaded, started, and given their devices.

mod add_devices;
mod device_call;
mod driver;
mod handover;
pub mod images;
mod late;
mod loader;
mod lost_devices;
pub mod per_cpu_memory;
pub mod report_free;
pub mod report_misuse;

use crate::platform::ramdisk::{Path, Ramdisk};
use crate::report::event_stream;
use core::fmt::Display;
use core::sync::atomic::{AtomicUsize, Ordering};
use driver::{Driver, Starting};
use driver_text::{NameError, file_name};
use events::DriverText;

/// The ramdisk's folder of drivers.
const FOLDER: &str = "drivers/";

/// How long the boot waits for a `Driver_Init` before it goes on.
const PATIENCE_NS: u64 = 10_000_000_000;

/// The drivers that have started.
static RUNNING: AtomicUsize = AtomicUsize::new(0);

/// Loads and starts every driver of the ramdisk, in the archive's order, and returns how many have started by then. A driver that
/// has no valid name, cannot be loaded or refuses to start is logged with its reason, and the next one follows. So is a driver
/// whose `Driver_Init` has not returned in time; its outcome is reported when it returns.
///
/// The boot CPU's thread calls this. It stays on that CPU, so all drivers begin there and lie in memory of its node.
pub fn start_all(ramdisk: &Ramdisk, resolve: fn(&str) -> Option<u64>) -> usize {
    lost_devices::start();
    for (index, (path, bytes)) in entries(ramdisk).enumerate() {
        let earlier = entries(ramdisk).take(index).map(|(path, _)| path);
        let named = file_name(&path, earlier);
        let (name, bytes) = match named.and_then(|name| Ok((name, bytes.ok_or(NameError::NotAFile)?))) {
            Ok(file) => file,
            Err(error) => {
                report(&path, &Err::<(), _>(error));
                continue;
            }
        };
        match Driver::load(name, bytes, resolve).and_then(Driver::start) {
            Ok(starting) => wait_for(starting),
            Err(error) => report(name, &Err::<(), _>(error)),
        }
    }
    RUNNING.load(Ordering::Relaxed)
}

/// Returns what is in the folder of drivers, each with its path there, and with the contents if it is a file.
fn entries(ramdisk: &Ramdisk) -> impl Iterator<Item = (Path, Option<&'static [u8]>)> {
    ramdisk.entries().filter_map(|(path, bytes)| {
        let rest = path.strip_prefix(FOLDER).filter(|rest| !rest.is_empty())?;
        Some((Path::from(rest).ok()?, bytes))
    })
}

/// Waits for a driver to start and reports the outcome. If it takes too long, reports that, and another thread waits.
fn wait_for(starting: Starting) {
    let name = starting.name();
    if starting.has_returned_within(PATIENCE_NS) {
        finish(starting);
        return;
    }
    let text = DriverText::starting(name, &"Driver_Init has not returned after 10 s");
    log::warn!(target: "drivers", "{} is still starting: {}; the boot goes on", text.name(), text.reason());
    event_stream::send(&text.event());
    late::wait_for(name, starting, finish);
}

/// Waits until `Driver_Init` has returned, reports the outcome, and gives a driver that has started its devices.
fn finish(starting: Starting) {
    let name = starting.name();
    let outcome = starting.finish();
    report(name, &outcome);
    if let Ok(driver) = outcome {
        lost_devices::watch_for(&driver);
        add_devices::add_devices(&driver);
    }
}

/// Writes a driver's outcome to the log and to the event stream. A driver without a valid name is named by its path.
fn report<T>(name: &str, outcome: &Result<T, impl Display>) {
    let text = match outcome {
        Ok(_) => {
            RUNNING.fetch_add(1, Ordering::Relaxed);
            let text = DriverText::loaded(name);
            log::info!(target: "drivers", "{} loaded", text.name());
            text
        }
        Err(error) => {
            let text = DriverText::refused(name, error);
            log::warn!(target: "drivers", "{} refused: {}", text.name(), text.reason());
            text
        }
    };
    event_stream::send(&text.event());
}
