//! What `run.sh` does once the tools are installed: builds, boots, measures, tests, checks and soaks.
#![forbid(unsafe_code)]

mod bench;
mod build;
mod check;
mod command;
mod new_driver;
mod options;
mod soak;
mod suite;

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::{self, ExitCode};

use anyhow::Result;
use boot::{Machine, artifacts, qemu};

use options::{Boot, Command, Subject};

fn main() -> ExitCode {
    let result = options::parse(lexopt::Parser::from_env()).and_then(|command| match command {
        Command::Boot(boot) => run(boot),
        Command::Image { drivers } => build::images(&drivers),
        Command::Bench(boot) => measure(boot),
        Command::Compare { subject, arguments } => compare(subject, &arguments),
        Command::NewDriver(driver) => new_driver::create(&driver),
        Command::Test => suite::test(),
        Command::Check => check::check(),
        Command::Soak { name, count, seed } => soak::soak(name.as_deref(), count, seed),
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            command::say(format_args!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Boots the two-node machine with its serial log on standard output.
fn run(boot: Boot) -> Result<()> {
    build::images(&boot.drivers)?;
    let machine = Machine::two_nodes().firmware(boot.firmware).parameters(&boot.parameters);
    machine.arguments(boot.qemu).attach(&artifacts::events())?.judge()
}

/// Measures on the two-node machine, and shows what Linux needs for the same beside it.
fn measure(boot: Boot) -> Result<()> {
    let Boot { firmware, drivers, qemu, .. } = boot;
    // What uses the disks sleeps, and time in which no CPU does anything is no cost. What serves them changes the state of the heaps.
    let client = "write_disks.so";
    let with_disks = build::bench_image("bench-disks", &[client], firmware, &drivers)?;
    let kernel = build::bench_image("bench", &[client, "nvme.so", "virtio_blk.so"], firmware, &drivers)?;
    let version = qemu::version()?;
    command::say(format_args!("Measuring in QEMU {version}, on a clock that counts instructions"));
    bench::measure(&bench::Images { kernel, with_disks }, firmware, qemu)
}

/// Turns this process into a comparison.
fn compare(subject: Subject, arguments: &[OsString]) -> Result<()> {
    let program = build::comparison(subject)?;
    Err(process::Command::new(program).args(arguments).exec().into())
}
