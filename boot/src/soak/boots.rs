//! Soaks that boot machines: many boots in a row, pages under load, shapes of machine, flipped bits, Linux as a witness.
use std::time::Duration;

use anyhow::{Context, Result, bail};
use boot::process::CANNOT_START;
use boot::{Machine, Node, Run, Verdict};

use crate::command::{cargo, in_workspace, run};

/// How long one of many boots may take, on a host that has other work.
pub const BOOT_LIMIT: Duration = Duration::from_secs(120);

/// How long each operation on pages may take, at the worst.
const OPERATION_LIMIT: Duration = Duration::from_micros(200);

/// The exit status of `boot/oracle.sh` where Linux cannot be had.
const NO_LINUX: i32 = 2;

/// Boots the two-node machine with its self-tests so many times.
pub fn boots(count: u64) -> Result<()> {
    repeat(count, "selftest")
}

/// Boots the two-node machine with a thousand threads under load so many times.
pub fn threads(count: u64) -> Result<()> {
    repeat(count, "load")
}

/// Boots the two-node machine so many times in a row. The first boot that does not complete ends the soak.
fn repeat(count: u64, parameters: &str) -> Result<()> {
    let machine = Machine::two_nodes().parameters(parameters).patient();
    for number in 1..=count {
        let run = machine.run(BOOT_LIMIT)?;
        succeeded(&run, "boot: complete").with_context(|| format!("boot {number} of {count}"))?;
        if number % 20 == 0 && number < count {
            eprintln!("soak: {number} of {count} boots");
        }
    }
    println!("soak: {count} of {count} boots with \"{parameters}\" complete");
    Ok(())
}

/// Has eight CPUs on four nodes allocate and free pages so many times.
pub fn pages(operations: u64) -> Result<()> {
    let nodes = (0..4).map(|node| Node::new(2 * node..2 * node + 2, 128));
    let machine = Machine::with_nodes(nodes).sockets(4).parameters(&format!("stress-pages={operations}"));
    let run = machine.run(BOOT_LIMIT + OPERATION_LIMIT * u32::try_from(operations)?)?;
    println!("soak: {}", succeeded(&run, "selftest: 8 CPUs did")?);
    Ok(())
}

/// Has eight CPUs on four nodes allocate, hand over and free blocks of the heaps so many times.
pub fn heap(operations: u64) -> Result<()> {
    let nodes = (0..4).map(|node| Node::new(2 * node..2 * node + 2, 128));
    let machine = Machine::with_nodes(nodes).sockets(4).parameters(&format!("stress-heap={operations}"));
    let run = machine.run(BOOT_LIMIT + OPERATION_LIMIT * u32::try_from(operations)?)?;
    println!("soak: {}", succeeded(&run, "selftest: 8 CPUs did")?);
    Ok(())
}

/// Returns the line of the log that begins with `start`. Without it a kernel that reports success has done nothing.
fn succeeded<'r>(run: &'r Run, start: &str) -> Result<&'r str> {
    let line = run.line(start);
    match (run.verdict, line) {
        (Verdict::Success, Some(line)) => Ok(line),
        (verdict, _) => {
            eprint!("{}{}", run.serial, run.complaints);
            verdict.judge()?;
            bail!("success reported, and no line begins with \"{start}\"")
        }
    }
}

/// Boots so many of the fifty shapes of machine, evenly spaced. Each has exactly the topology that it was built with.
pub fn shapes(count: u64) -> Result<()> {
    ignored_test("shapes", "shapes_are_understood_as_they_are_described", count)
}

/// Flips so many single bits of SRAT and SLIT, one a boot.
pub fn flips(count: u64) -> Result<()> {
    ignored_test("tables", "flips::no_single_bit_costs_memory_or_cpus", count)
}

/// Compares what Linux and Proxima see on so many shapes of machine. Says so where Linux cannot be had.
pub fn oracle(count: u64) -> Result<()> {
    let status = in_workspace("boot/oracle.sh").status().context(CANNOT_START)?;
    match status.code() {
        Some(0) => ignored_test("shapes", "linux_sees_the_same", count),
        Some(NO_LINUX) => {
            println!("soak oracle: skipped, as there is no Linux to ask");
            Ok(())
        }
        _ => bail!("boot/oracle.sh could not pack what it fetched"),
    }
}

/// Runs a test that `cargo test` leaves out, on so many of its cases.
fn ignored_test(program: &str, test: &str, count: u64) -> Result<()> {
    let mut command = cargo(&["test", "--quiet", "--package", "boot", "--test", program]);
    command.args(["--", "--ignored", "--nocapture", "--exact", test]);
    run(command.env("PROXIMA_CASES", count.to_string()))
}
