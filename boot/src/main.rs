//! The part of `run.sh` that knows machines: boots one, measures on one, boots one many times, compiles drivers.
#![forbid(unsafe_code)]

mod bench;
mod fail_allocation;
mod options;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use boot::{Machine, Node, Verdict, artifacts, driver};

use options::{Boot, Command};

/// How long one of many boots may take, on a machine that has other work.
const BOOT_LIMIT: Duration = Duration::from_secs(120);

/// How long each operation on pages may take, at the worst.
const STRESS_LIMIT_EACH: Duration = Duration::from_micros(200);

fn main() -> ExitCode {
    let result = match options::parse(lexopt::Parser::from_env()) {
        Ok(Command::Run(boot)) => run(boot),
        Ok(Command::Bench(boot)) => measure(boot),
        Ok(Command::Repeat(count, parameters)) => repeat(count, &parameters),
        Ok(Command::StressPages(operations)) => stress_pages(operations),
        Ok(Command::FailAllocation(boots)) => fail_allocation::soak(boots),
        Ok(Command::Drivers) => compile_drivers(),
        Err(error) => Err(error),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("boot: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Boots the two-node machine with its serial log on standard output.
fn run(boot: Boot) -> Result<()> {
    let events = artifacts::events();
    let machine = Machine::two_nodes().firmware(boot.firmware).parameters(&boot.parameters);
    judge(machine.arguments(boot.qemu).attach(&events)?)
}

/// Boots the two-node machine on a clock that counts instructions, then two with more memory, and shows what they measured. With
/// arguments for QEMU, which may make it any machine, the first alone.
fn measure(boot: Boot) -> Result<()> {
    let of_one_size = !boot.qemu.is_empty();
    let mut measured = measure_one(Machine::two_nodes().arguments(boot.qemu), boot.firmware)?;
    if !of_one_size {
        for (size, node_mib) in [("16GiB", 8 << 10), ("1TiB", 512 << 10)] {
            let larger = measure_one(Machine::two_nodes_of(node_mib), boot.firmware)?;
            measured.extend(larger.into_iter().filter_map(|bench| bench::of_larger_machine(bench, size)));
        }
    }
    if measured.is_empty() {
        println!("The kernel measured nothing.");
    } else {
        print!("{}", bench::table(&measured));
    }
    Ok(())
}

fn measure_one(machine: Machine, firmware: boot::Firmware) -> Result<Vec<boot::event::Bench>> {
    let counting = ["-accel", "tcg", "-icount", "shift=0,sleep=off"];
    let run = machine.firmware(firmware).parameters("bench").arguments(counting).run(bench::LIMIT)?;
    if run.verdict != Verdict::Success {
        eprint!("{}{}", run.serial, run.complaints);
    }
    judge(run.verdict)?;
    Ok(run.events_of("bench"))
}

/// Boots the two-node machine so many times in a row; the first that does not complete ends it.
fn repeat(count: u32, parameters: &str) -> Result<()> {
    let machine = Machine::two_nodes().parameters(parameters);
    for number in 1..=count {
        let run = machine.run(BOOT_LIMIT)?;
        let complete = run.line("boot: complete").is_some();
        if run.verdict != Verdict::Success || !complete {
            eprint!("{}{}", run.serial, run.complaints);
            judge(run.verdict).with_context(|| format!("boot {number} of {count}"))?;
            bail!("boot {number} of {count}: success reported, and no line says that it is complete");
        }
        if number % 20 == 0 && number < count {
            eprintln!("soak: {number} of {count} boots");
        }
    }
    println!("soak: {count} of {count} boots with \"{parameters}\" complete");
    Ok(())
}

/// Has eight CPUs on four nodes allocate and free pages so many times.
fn stress_pages(operations: u64) -> Result<()> {
    let nodes = (0..4).map(|node| Node::new(2 * node..2 * node + 2, 128));
    let machine = Machine::with_nodes(nodes).sockets(4).parameters(&format!("stress-pages={operations}"));
    let run = machine.run(BOOT_LIMIT + STRESS_LIMIT_EACH * u32::try_from(operations)?)?;
    let done = run.line("selftest: 8 CPUs did");
    if run.verdict != Verdict::Success || done.is_none() {
        eprint!("{}{}", run.serial, run.complaints);
        judge(run.verdict)?;
        bail!("success reported, and no line says how much was done");
    }
    println!("soak: {}", done.unwrap_or_default());
    Ok(())
}

/// Compiles the example drivers and prints their paths.
fn compile_drivers() -> Result<()> {
    for driver in driver::build_examples()? {
        println!("{}", driver.display());
    }
    Ok(())
}

fn judge(verdict: Verdict) -> Result<()> {
    match verdict {
        Verdict::Success => Ok(()),
        other => bail!("{other}"),
    }
}
