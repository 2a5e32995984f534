//! Starting drivers: all of the ramdisk at boot, and one by its name later.
use super::driver::{Driver, StartError, Starting};
use super::end_driver::DriverEnd;
use super::patience::patience;
use super::pushed_files::FilesInUse;
use super::{add_devices, failure, files, late, loaded_drivers, lost_devices, restart};
use crate::platform::command_line;
use crate::platform::ramdisk::Ramdisk;
use crate::report::event_stream;
use crate::threads::Mutex;
use crate::threads::owner::Owner;
use arrayvec::ArrayString;
use core::fmt::{self, Display};
use driver_text::one_line;
use events::{DriverText, Left};
use spin::Once;

/// Returns the address of the kernel's export of a name.
pub type Resolve = fn(&str) -> Option<u64>;

static RESOLVE: Once<Resolve> = Once::new();

/// Loads and starts every driver of the ramdisk, in the archive's order, and returns how many have started by then. A driver that
/// has no valid name, cannot be loaded or refuses to start is logged with its reason, and the next one follows. So is a driver
/// whose `Driver_Init` has not returned in time; its outcome is reported when it returns.
///
/// The boot CPU's thread calls this. It stays on that CPU, so all drivers begin there and lie in memory of its node.
pub fn start_all(ramdisk: &'static Ramdisk, resolve: Resolve) -> usize {
    files::init(ramdisk);
    command_line::warn_of_missing_drivers(|name| files::find(name).is_some());
    let resolve = *RESOLVE.call_once(|| resolve);
    lost_devices::start();
    failure::start(load_again);
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

/// Returns the function that returns the address of the kernel's export of a name, once the boot has come so far.
pub fn resolve() -> Option<Resolve> {
    RESOLVE.get().copied()
}

/// The last driver that was refused, and why.
static LAST_REFUSAL: Mutex<Option<(Refused, ArrayString<96>)>> = Mutex::new(None);

/// The name of a driver that was refused.
type Refused = ArrayString<96>;

/// Returns why the driver of this name was refused, if it is the last one that was; else an empty text.
pub fn reason_of(name: &str) -> ArrayString<96> {
    let last = LAST_REFUSAL.lock();
    last.as_ref()
        .filter(|(refused, _)| refused.as_str() == name)
        .map_or_else(ArrayString::new, |(_, reason)| *reason)
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
    let _in_use = FilesInUse::begin();
    let bytes = files::find(name).ok_or(LoadByNameError::NoSuchDriver)?;
    let resolve = resolve().ok_or(LoadByNameError::NoSuchDriver)?;
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
    let patience = patience();
    if starting.has_returned_within(patience.ns()) {
        return finish(starting);
    }
    let text = DriverText::starting(name, &format_args!("Driver_Init has not returned after {patience}"));
    log::warn!(target: "drivers", "{} is still starting: {}; the boot goes on", text.name(), text.reason());
    event_stream::send_driver(&text);
    late::wait_for(name, starting, |starting| _ = finish(starting));
    Err(LoadByNameError::StillStarting)
}

/// Waits until `Driver_Init` has returned, reports the outcome, and gives a driver that has started its devices.
fn finish(starting: Starting) -> Result<(), LoadByNameError> {
    // The table of the devices that the driver wants lies in its file.
    let _in_use = FilesInUse::begin();
    let name = starting.name();
    match starting.finish() {
        Ok(owner) => {
            let text = DriverText::loaded(name);
            log::info!(target: "drivers", "{} loaded", text.name());
            event_stream::send_driver(&text);
            add_devices::add_devices(owner);
            return Ok(());
        }
        Err(StartError::Failed(owner, end)) => {
            failure::report(owner, end);
            load_again(owner, end);
        }
        Err(StartError::FailedAndReported) => {}
        Err(error) => report_refusal(name, &error, error.left()),
    }
    Err(LoadByNameError::Refused)
}

/// Writes to the log and to the event stream that a driver does not run, and why. A driver without a valid name is named by its path.
fn report_refusal(name: &str, error: &impl Display, left: Left) {
    let text = DriverText::refused(name, error, left);
    log::warn!(target: "drivers", "{} refused: {}", text.name(), text.reason());
    event_stream::send_driver(&text);
    *LAST_REFUSAL.lock() = Some((one_line(name), one_line(error)));
}

/// Loads a driver again that has ended after a failure, on a thread of its own, if a parameter says so and if not too many attempts have failed.
fn load_again(owner: &'static Owner, end: DriverEnd) {
    let Some(attempt) = restart::next_attempt(owner, &end) else { return };
    let text = DriverText::starting(owner.name(), &attempt);
    log::info!(target: "drivers", "{} is loaded again: {}", text.name(), text.reason());
    event_stream::send_driver(&text);
    // What becomes of it is in the log.
    late::wait_for(owner.name(), owner, |owner| _ = load(owner.name()));
}
