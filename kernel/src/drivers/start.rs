//! Starting drivers: all of the ramdisk at boot, and one by its name later.
use super::call::PATIENCE_NS;
use super::driver::{Driver, StartError, Starting};
use super::{add_devices, failure, files, late, loaded_drivers, lost_devices};
use crate::platform::ramdisk::Ramdisk;
use crate::report::event_stream;
use core::fmt::{self, Display};
use events::{DriverText, Left};
use spin::Once;

/// Returns the address of the kernel's export of a name.
type Resolve = fn(&str) -> Option<u64>;

static RESOLVE: Once<Resolve> = Once::new();

/// Loads and starts every driver of the ramdisk, in the archive's order, and returns how many have started by then. A driver that
/// has no valid name, cannot be loaded or refuses to start is logged with its reason, and the next one follows. So is a driver
/// whose `Driver_Init` has not returned in time; its outcome is reported when it returns.
///
/// The boot CPU's thread calls this. It stays on that CPU, so all drivers begin there and lie in memory of its node.
pub fn start_all(ramdisk: &'static Ramdisk, resolve: Resolve) -> usize {
    files::init(ramdisk);
    let resolve = *RESOLVE.call_once(|| resolve);
    lost_devices::start();
    failure::start();
    for file in files::all() {
        match file.driver() {
            Ok((name, bytes)) => match Driver::load(name, bytes, resolve).and_then(Driver::start) {
                // What becomes of it is in the log.
                Ok(starting) => _ = wait_for(starting),
                Err(error) => report_refusal(name, &error, error.left()),
            },
            Err(error) => report_refusal(&file.path, &error, Left::default()),
        }
    }
    loaded_drivers::count_started()
}

/// Why no driver was loaded by its name.
#[derive(Debug)]
pub enum LoadByNameError {
    /// The ramdisk has no such driver.
    NoSuchDriver,
    /// It is loaded already.
    Loaded,
    /// It has refused, or cannot be loaded. The log has the reason.
    Refused,
    /// Its `Driver_Init` has not returned in time. When it does, the log has the outcome.
    StillStarting,
}

impl Display for LoadByNameError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::NoSuchDriver => "the ramdisk has no such driver",
            Self::Loaded => "it is loaded already",
            Self::Refused => "it was refused",
            Self::StillStarting => "it is still starting",
        })
    }
}

/// Loads and starts the driver of this name, and gives it its devices.
///
/// # Errors
/// [`LoadByNameError`]. The kernel has logged why a driver was refused, or that it is still starting.
pub fn load(name: &str) -> Result<(), LoadByNameError> {
    let bytes = files::find(name).ok_or(LoadByNameError::NoSuchDriver)?;
    let resolve = *RESOLVE.get().ok_or(LoadByNameError::NoSuchDriver)?;
    match Driver::load(name, bytes, resolve).and_then(Driver::start) {
        Ok(starting) => wait_for(starting),
        Err(StartError::Loaded) => Err(LoadByNameError::Loaded),
        Err(error) => {
            report_refusal(name, &error, error.left());
            Err(LoadByNameError::Refused)
        }
    }
}

/// Waits for a driver to start and reports the outcome. If it takes too long, reports that, and another thread waits.
fn wait_for(starting: Starting) -> Result<(), LoadByNameError> {
    let name = starting.name();
    if starting.has_returned_within(PATIENCE_NS) {
        return finish(starting);
    }
    let text = DriverText::starting(name, &"Driver_Init has not returned after 10 s");
    log::warn!(target: "drivers", "{} is still starting: {}; the boot goes on", text.name(), text.reason());
    event_stream::send(&text.event());
    late::wait_for(name, starting, |starting| _ = finish(starting));
    Err(LoadByNameError::StillStarting)
}

/// Waits until `Driver_Init` has returned, reports the outcome, and gives a driver that has started its devices.
fn finish(starting: Starting) -> Result<(), LoadByNameError> {
    let name = starting.name();
    match starting.finish() {
        Ok(owner) => {
            let text = DriverText::loaded(name);
            log::info!(target: "drivers", "{} loaded", text.name());
            event_stream::send(&text.event());
            add_devices::add_devices(owner);
            return Ok(());
        }
        Err(StartError::Failed(owner, end)) => failure::report(owner, end),
        Err(StartError::FailedAndReported) => {}
        Err(error) => report_refusal(name, &error, error.left()),
    }
    Err(LoadByNameError::Refused)
}

/// Writes to the log and to the event stream that a driver does not run, and why. A driver without a valid name is named by its path.
fn report_refusal(name: &str, error: &impl Display, left: Left) {
    let text = DriverText::refused(name, error, left);
    log::warn!(target: "drivers", "{} refused: {}", text.name(), text.reason());
    event_stream::send(&text.event());
}
