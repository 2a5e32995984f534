//! What `run.sh` does once the tools are installed: builds, boots, measures, tests, checks and soaks.
#![forbid(unsafe_code)]

mod bench;
mod build;
mod check;
mod command;
mod new_driver;
mod options;
mod shell;
mod soak;
mod suite;

use std::ffi::OsString;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{self, ExitCode};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use boot::{Machine, artifacts, driver, qemu};

use options::{Boot, Command, Subject};

fn main() -> ExitCode {
    let result = options::parse(lexopt::Parser::from_env()).and_then(|command| match command {
        Command::Boot(boot) => run(boot),
        Command::Shell(boot) => shell::run(boot),
        Command::Push { driver } => push(&driver),
        Command::Image { drivers, parameters } => build::images_for_boards(&drivers, parameters.as_deref()),
        Command::Bench(boot) => measure(boot),
        Command::Compare { subject, arguments } => compare(subject, &arguments),
        Command::NewDriver(driver) => new_driver::create(&driver),
        Command::Test { name, filter } => suite::test(name.as_deref(), filter.as_deref()),
        Command::Sample { name } => soak::sample(&name),
        Command::Check => check::check(),
        Command::Docs => docs(),
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
    let machine = Machine::two_nodes().firmware(boot.firmware).parameters(&boot.parameters).protected();
    machine.arguments(boot.qemu).attach(&artifacts::events())?.judge()
}

/// Sends a driver, a file or a folder of sources, to the kernel that runs under `shell`.
fn push(driver: &Path) -> Result<()> {
    let file = match driver::build_own(&[driver.to_owned()])?.as_slice() {
        [file] => file.clone(),
        files => bail!("{}: {} drivers, and one is pushed at a time", driver.display(), files.len()),
    };
    let name = file.file_stem().and_then(|name| name.to_str()).context("the file's name is not UTF-8")?;
    let bytes = fs::read(&file).with_context(|| file.display().to_string())?;
    let start = Instant::now();
    let answer = boot::push::push(&artifacts::push_socket(), name, &bytes)?;
    command::say(format_args!("{answer} ({} bytes in {:.2} s)", bytes.len(), start.elapsed().as_secs_f64()));
    Ok(())
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

/// Builds the documents as a book, and says where its first page is.
fn docs() -> Result<()> {
    let page = build::book()?;
    command::say(format_args!("The book begins at {}", page.display()));
    Ok(())
}

/// Turns this process into a comparison.
fn compare(subject: Subject, arguments: &[OsString]) -> Result<()> {
    let program = build::comparison(subject)?;
    Err(process::Command::new(program).args(arguments).exec().into())
}
