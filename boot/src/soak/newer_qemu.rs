//! The soak `newer-qemu`: tests that need emulators of Debian 13. Where the host's QEMU is older, they run in a Debian 13 in
//! `target/newer-debian`, which `boot/newer_debian.sh` builds.
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use boot::process::CANNOT_START;
use boot::qemu;
use serde_json::Value;

use crate::command::{cargo, in_workspace, run};

/// The script that builds the system and runs programs in it.
const SCRIPT: &str = "boot/newer_debian.sh";

/// The exit status of the script where the system cannot be built.
const CANNOT_BUILD: i32 = 2;

/// The test programs that run after those of x2APIC and Bochs when the soak is run whole. They compile nothing.
const OTHERS: [&str; 5] = ["clock", "golden", "machines", "memory_sizes", "video"];

/// The number of machines in `boot/tests/x2apic.rs`. From this count on, all tests run.
pub const WHOLE: u64 = 12;

/// Where the tests run.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Host,
    NewerDebian,
}

/// Boots so many machines with x2APIC, and as many CPU models of Bochs.
///
/// # Errors
/// A machine does not do what is expected.
pub fn soak(count: u64) -> Result<()> {
    let place = if qemu::has_x2apic()? { Place::Host } else { Place::NewerDebian };
    if place == Place::NewerDebian {
        let status = in_workspace(SCRIPT).status().context(CANNOT_START)?;
        match status.code() {
            Some(0) => {}
            Some(CANNOT_BUILD) => {
                println!("soak newer-qemu: skipped, as QEMU has no x2APIC and there is no Debian 13");
                return Ok(());
            }
            _ => bail!("{SCRIPT} could not build a Debian 13"),
        }
    }
    test(place, "x2apic", count, true)?;
    if place == Place::NewerDebian || has_bochs() {
        test(place, "bochs", count, true)?;
    } else {
        println!("soak newer-qemu: skipped the CPU models of Bochs, as there is no bochs");
    }
    if count >= WHOLE {
        OTHERS.iter().try_for_each(|name| test(place, name, count, false))?;
    }
    Ok(())
}

/// Runs a test program of this package: the tests that `cargo test` leaves out, on so many of their cases, or the others.
fn test(place: Place, name: &str, count: u64, is_soak: bool) -> Result<()> {
    let program = built(name)?;
    let mut command = match place {
        Place::Host => in_workspace(program),
        Place::NewerDebian => {
            let mut command = in_workspace(SCRIPT);
            command.arg(program);
            command
        }
    };
    command.arg("--nocapture").args(is_soak.then_some("--ignored"));
    run(command.env("PROXIMA_CASES", count.to_string()))
}

/// Builds a test program and returns its file. There is no cargo where it runs.
fn built(name: &str) -> Result<PathBuf> {
    let mut build = cargo(&["test", "--quiet", "--package", "boot", "--no-run", "--test", name]);
    let output =
        build.arg("--message-format=json").stderr(Stdio::inherit()).output().context(CANNOT_START)?;
    ensure!(output.status.success(), "the test {name} cannot be built");
    // The messages also name programs that the test only needs.
    let messages = output.stdout.split(|&byte| byte == b'\n');
    let mut messages = messages.filter_map(|line| serde_json::from_slice::<Value>(line).ok());
    let program =
        messages.find(|message| message["target"]["name"] == name && !message["executable"].is_null());
    let program = program.and_then(|message| message["executable"].as_str().map(PathBuf::from));
    program.with_context(|| format!("cargo names no program of the test {name}"))
}

fn has_bochs() -> bool {
    let mut bochs = Command::new("bochs");
    bochs.arg("--help").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    bochs.status().is_ok()
}
