//! The command line of program `boot`, as `run.sh` gives it.
use std::ffi::OsString;

use anyhow::{Context, Result, bail};
use boot::Firmware;
use lexopt::prelude::*;

/// What to do.
pub enum Command {
    /// Boot once, for a person to read.
    Run(Boot),
    /// Boot once and show the measurements.
    Bench(Boot),
    /// Boot so many times, with these kernel parameters beside `exit`.
    Repeat(u32, String),
    /// Have eight CPUs on four nodes allocate and free pages so many times.
    StressPages(u64),
    /// Boot so many times, each time with another allocation made to fail.
    FailAllocation(u64),
    /// Compile the example drivers.
    Drivers,
}

/// What of the two-node machine can be chosen.
pub struct Boot {
    /// The firmware.
    pub firmware: Firmware,
    /// Kernel parameters beside `exit`.
    pub parameters: String,
    /// Arguments that go to QEMU as they are.
    pub qemu: Vec<OsString>,
}

/// Reads the command line.
///
/// # Errors
/// A verb or option that is not known, or an option without its value.
pub fn parse(mut parser: lexopt::Parser) -> Result<Command> {
    match parser.next()? {
        Some(Value(verb)) if verb == "run" => Ok(Command::Run(boot(parser)?)),
        Some(Value(verb)) if verb == "bench" => Ok(Command::Bench(boot(parser)?)),
        Some(Value(verb)) if verb == "repeat" => {
            let count = parser.value()?.parse()?;
            Ok(Command::Repeat(count, boot(parser)?.parameters))
        }
        Some(Value(verb)) if verb == "stress-pages" => Ok(Command::StressPages(parser.value()?.parse()?)),
        Some(Value(verb)) if verb == "fail-allocation" => {
            Ok(Command::FailAllocation(parser.value()?.parse()?))
        }
        Some(Value(verb)) if verb == "drivers" => Ok(Command::Drivers),
        Some(other) => bail!(other.unexpected()),
        None => bail!(
            "one of run, bench, repeat COUNT, stress-pages COUNT, fail-allocation COUNT and drivers is missing"
        ),
    }
}

fn boot(mut parser: lexopt::Parser) -> Result<Boot> {
    let mut boot = Boot { firmware: Firmware::Bios, parameters: "selftest".into(), qemu: Vec::new() };
    loop {
        // Behind `--` nothing is an option of ours.
        if let Some(mut raw) = parser.try_raw_args()
            && raw.next_if(|argument| argument == "--").is_some()
        {
            boot.qemu.extend(raw);
            return Ok(boot);
        }
        match parser.next()? {
            Some(Long("firmware")) => boot.firmware = parser.value()?.string()?.parse()?,
            Some(Long("cmdline")) => {
                boot.parameters = parser.value()?.string().context("--cmdline is not UTF-8")?;
            }
            Some(other) => bail!(other.unexpected()),
            None => return Ok(boot),
        }
    }
}
