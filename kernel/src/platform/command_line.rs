//! The kernel's parameters: read from QEMU's firmware configuration, or from a file of the ramdisk.
use super::qemu;
use super::ramdisk::Ramdisk;
use driver_text::Escaped;
use log::LevelFilter;
use parameters::{LogLevel, Parameters, whole_words};

const FW_CFG_FILE: &str = "opt/org.proxima/cmdline";
const RAMDISK_FILE: &str = "cmdline";
/// The highest number of bytes that are read. The rest is ignored with a warning.
const LONGEST: usize = 1024;

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
