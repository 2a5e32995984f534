//! The kernel's parameters: read from QEMU's firmware configuration, or from a file of the ramdisk.
use super::qemu;
use super::ramdisk::Ramdisk;
use log::LevelFilter;
use parameters::{LogLevel, Parameters};

const FW_CFG_FILE: &str = "opt/org.proxima/cmdline";
const RAMDISK_FILE: &str = "cmdline";
/// The highest number of bytes that are read. The rest is ignored with a warning.
const LONGEST: usize = 1024;

/// Reads the parameters, and sets the log's level. Names each unknown word in a warning.
pub fn read(ramdisk: &Ramdisk) -> Parameters {
    let mut buffer = [0; LONGEST];
    let (line, size) = match qemu::copy_file(FW_CFG_FILE, &mut buffer) {
        Some(found) => found,
        None => {
            let file = ramdisk.file(RAMDISK_FILE).unwrap_or_default();
            (&file[..file.len().min(LONGEST)], file.len())
        }
    };
    if size > LONGEST {
        log::warn!(target: "boot", "the parameters have {size} bytes; those after the first {LONGEST} are ignored");
    }
    let line = core::str::from_utf8(line).unwrap_or_else(|error| {
        log::warn!(target: "boot", "the parameters are not UTF-8 from byte {} on; the rest is ignored", error.valid_up_to());
        core::str::from_utf8(&line[..error.valid_up_to()]).unwrap_or_default()
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
