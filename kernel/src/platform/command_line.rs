//! The kernel's parameters: read from QEMU's firmware configuration, or from a file of the ramdisk.
use super::qemu;
use super::ramdisk::Ramdisk;
use arrayvec::ArrayString;
use driver_text::Escaped;
use log::LevelFilter;
use parameters::{LogLevel, Parameters, whole_words};
use spin::Once;

const FW_CFG_FILE: &str = "opt/org.proxima/cmdline";
const RAMDISK_FILE: &str = "cmdline";
/// The highest number of bytes that are read. The rest is ignored with a warning.
const LONGEST: usize = 1024;

/// The words, for the drivers.
static LINE: Once<ArrayString<LONGEST>> = Once::new();

/// Returns the value of the parameter `driver.DRIVER.KEY`; `None` if it is not given.
pub fn of_driver(driver: &str, key: &str) -> Option<&'static str> {
    parameters::of_driver(LINE.get()?, driver, key)
}

/// Returns how often a driver is to be loaded again after failures. Names a value that is no number in a warning.
pub fn restarts_of(driver: &str) -> Option<u32> {
    let value = of_driver(driver, parameters::RESTART)?;
    let restarts = parameters::restarts(value);
    if restarts.is_none() {
        log::warn!(target: "boot", "the parameter \"driver.{driver}.restart={}\" is no number and ignored", value.escape_debug());
    }
    restarts
}

/// Names each parameter of a driver for whose name `is_driver` returns false in a warning.
pub fn warn_of_missing_drivers(is_driver: impl Fn(&str) -> bool) {
    let line = LINE.get().map_or("", |line| line.as_str());
    for word in parameters::of_no_driver(line, is_driver) {
        log::warn!(target: "boot", "the parameter \"{}\" is that of no driver of the ramdisk", word.escape_debug());
    }
}

/// Returns the parameters as they were given.
pub fn line() -> &'static str {
    LINE.get().map_or("", ArrayString::as_str)
}

/// Reads the parameters, and sets the log's level. Names each unknown word in a warning.
pub fn read(ramdisk: &Ramdisk) -> Parameters {
    // One byte more tells whether a word ends with the last byte.
    let mut buffer = [0; LONGEST + 1];
    let (line, size) = match qemu::copy_file(FW_CFG_FILE, &mut buffer) {
        Some(found) => found,
        None => {
            let file = ramdisk.file(RAMDISK_FILE).unwrap_or_default();
            (file, file.len())
        }
    };
    if size > LONGEST {
        log::warn!(target: "boot", "the parameters have {size} bytes; those after the first {LONGEST} are ignored");
    }
    let line = first_words(line, LONGEST);
    let line = core::str::from_utf8(line).unwrap_or_else(|error| {
        let end = error.valid_up_to();
        log::warn!(target: "boot", "the parameters are not UTF-8 from byte {end} on; the rest is ignored");
        core::str::from_utf8(first_words(line, end)).unwrap_or_default()
    });
    let parameters = Parameters::parse(line, |word| {
        log::warn!(target: "boot", "the parameter \"{}\" is not known and ignored", word.escape_debug());
    });
    LINE.call_once(|| ArrayString::from(line).unwrap_or_default());
    log::set_max_level(match parameters.log {
        LogLevel::Error => LevelFilter::Error,
        LogLevel::Warn => LevelFilter::Warn,
        LogLevel::Info => LevelFilter::Info,
        LogLevel::Debug => LevelFilter::Debug,
        LogLevel::Trace => LevelFilter::Trace,
    });
    parameters
}

/// Returns the words in the first `longest` bytes of the line. A word that is cut there is left out with a warning.
fn first_words(line: &[u8], longest: usize) -> &[u8] {
    let (words, cut) = whole_words(line, longest);
    if !cut.is_empty() {
        log::warn!(target: "boot", "the parameter \"{}\" is cut there and ignored", Escaped(cut));
    }
    words
}
