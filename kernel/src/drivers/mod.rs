//! Drivers: found in the ramdisk, loaded, started.

pub mod driver;
mod loader;
pub mod refusals;

use crate::cpu;
use crate::platform::cpu_topology;
use crate::platform::ramdisk::Ramdisk;
use crate::report::event_stream;
use crate::threads::cpu_threads;
use crate::threads::lifecycle;
use alloc::boxed::Box;
use alloc::string::{String, ToString};
use driver::Driver;
use events::{DriverStatus, Event};
use loader::LoadedImage;
use scheduling::CpuSet;

/// Where drivers lie in the ramdisk.
const FOLDER: &str = "drivers/";
const SUFFIX: &str = ".so";

/// Loads and starts every driver of the ramdisk, in the archive's order, and returns how many run. One that is refused is
/// logged with its reason, and the next one has its turn.
pub fn start_all(ramdisk: &Ramdisk, resolve: fn(&str) -> Option<u64>) -> usize {
    let mut running = 0;
    for (path, bytes) in ramdisk.files() {
        let Some(name) = path.strip_prefix(FOLDER) else { continue };
        let name = name.strip_suffix(SUFFIX).unwrap_or(name);
        go_home();
        let outcome = start(name, bytes, resolve);
        match &outcome {
            Ok(()) => {
                log::info!(target: "drivers", "{name} loaded");
                running += 1;
            }
            Err(reason) => log::warn!(target: "drivers", "{name} refused: {reason}"),
        }
        report(name, outcome);
    }
    go_home();
    running
}

/// Brings this thread to the boot CPU and keeps it there: in whose memory a driver lies and where it begins must not depend on
/// where the one before it went.
fn go_home() {
    let boot_cpu = CpuSet::from_iter([cpu_topology::boot_cpu().id]);
    // The boot CPU runs, so there is nothing to refuse.
    let _ = lifecycle::set_affinity(cpu_threads::current_thread().id, &boot_cpu);
}

fn start(name: &str, bytes: &[u8], resolve: fn(&str) -> Option<u64>) -> Result<(), String> {
    let node = cpu::current().node;
    let image = LoadedImage::load(bytes, node, resolve).map_err(|error| error.to_string())?;
    // What is known of a driver that runs is needed for good; of one that is refused, a few bytes are lost.
    let driver: &'static Driver = Box::leak(Box::new(Driver::new(name)));
    let code = cpu_threads::current_thread().run_as_driver(&driver.owner, || image.init());
    let untold = driver.refusals.untold();
    if untold > 0 {
        log::warn!(target: "pages", "{name}: {untold} more of its frees were refused");
    }
    match (code, driver.owner.threads()) {
        (0, _) => Ok(()),
        (_, 0) => {
            // SAFETY: the driver has returned, saying that it does not run, and has no thread; nothing else knows its
            // addresses.
            unsafe { image.unload() };
            Err(alloc::format!("Driver_Init returned {code}"))
        }
        (_, threads) => Err(alloc::format!(
            "Driver_Init returned {code}; its memory stays, threads that still run in it: {threads}"
        )),
    }
}

fn report(name: &str, outcome: Result<(), String>) {
    let status = if outcome.is_ok() { DriverStatus::Loaded } else { DriverStatus::Refused };
    let reason = outcome.err().unwrap_or_default();
    event_stream::send(&Event::Driver { name: name.into(), status, reason: reason.into() });
}
