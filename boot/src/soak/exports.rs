//! The soak `exports`: drivers call the kernel's functions at random, and compare each answer with the contract.
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use boot::{Machine, Node, Verdict, artifacts, driver};

use crate::build;
use crate::soak::boots::BOOT_LIMIT;
use crate::soak::together;

/// The seeds that a run without one begins with. Each chooses a machine and a kernel.
const FIRST_SEED: u64 = 1;
/// With fewer calls, there are fewer seeds.
const CALLS_OF_A_SEED: u64 = 1_000_000;
/// There are at least so many seeds: with them, each machine has its turn.
const LEAST_SEEDS: u64 = MACHINES.len() as u64;
/// Between two rounds, the driver is unloaded with all that it has, and loaded again. There are at least so many, some to warm up.
const LEAST_ROUNDS: u64 = 8;
const CALLS_OF_A_ROUND: u64 = 20_000;

/// The CPUs of a machine, its nodes, and how many free pages the driver finds.
struct Shape {
    cpus: u32,
    nodes: u32,
    free_pages: u64,
}

const MACHINES: [Shape; 4] = [
    Shape { cpus: 1, nodes: 1, free_pages: 500 },
    Shape { cpus: 2, nodes: 2, free_pages: 900 },
    Shape { cpus: 4, nodes: 2, free_pages: 1800 },
    Shape { cpus: 8, nodes: 4, free_pages: 3500 },
];

/// What `ddk/tests/fuzz_exports/src/about_driver.rs` expects, and a parameter that is another driver's.
const PARAMETERS: &str = "driver.fuzz_exports.text=first driver.fuzz_exports.flag driver.fuzz_exports.pair=a=b \
                          driver.hostages.secret=1 driver.fuzz_exports.text=later driver.fuzz_exports.text=later_value";

/// An instruction takes 2^`SHIFT` ns on the counting clock, which most machines have: the drivers work all the time, so that little time passes.
const SHIFT: u32 = 4;

/// How long each call may take, at the worst.
const CALL_LIMIT: Duration = Duration::from_micros(300);

/// Does so many calls, on each machine in turn, with the normal and the checked kernel; or all with one seed.
///
/// # Errors
/// An answer is not the contract's, or something is lost.
pub fn soak(calls: u64, seed: Option<u64>) -> Result<()> {
    let seeds = calls.div_ceil(CALLS_OF_A_SEED).max(LEAST_SEEDS);
    let (seeds, calls_of_one) = match seed {
        Some(seed) => (seed..seed + 1, calls),
        None => (FIRST_SEED..FIRST_SEED + seeds, calls.div_ceil(seeds)),
    };
    build::checked_kernel()?;
    together::each(seeds, |seed| one_machine(seed, calls_of_one))?;
    println!(
        "soak exports: {calls} calls, on machines with 1 to 8 CPUs and little memory: each answer is the contract's, and nothing is lost"
    );
    Ok(())
}

/// Returns true if the CPUs of this seed's machine run at the same time. Each of the machines is so for some seeds.
fn is_concurrent(seed: u64) -> bool {
    together::is_concurrent(seed + seed / MACHINES.len() as u64)
}

fn one_machine(seed: u64, calls: u64) -> Result<()> {
    let shape = &MACHINES[(seed % MACHINES.len() as u64) as usize];
    let is_checked = seed / MACHINES.len() as u64 % 2 != seed % 2;
    let rounds = (calls / CALLS_OF_A_ROUND).max(LEAST_ROUNDS);
    let kernel = if is_checked { artifacts::checked_kernel()? } else { artifacts::kernel()? };
    let folder = tempfile::tempdir()?;
    let image = folder.path().join("exports.img");
    let hostages = folder.path().join("hostages.so");
    let (calls_of_one, pages) = (calls.div_ceil(rounds), shape.free_pages);
    let keeps_memory = u32::from(is_concurrent(seed));
    let flags = [
        format!("-DSEED={seed}"),
        format!("-DCALLS={calls_of_one}"),
        format!("-DLEAVE={pages}"),
        format!("-DKEEPS_MEMORY={keeps_memory}"),
    ];
    let source = artifacts::workspace().join("ddk/tests/hostages/hostages.c");
    driver::compile_with(&flags.each_ref().map(String::as_str), &[source], &hostages)?;
    let mut drivers = vec![("nothing", "nothing".into()), ("fuzz_exports", "fuzz_exports".into())];
    drivers.extend((1..rounds).map(|round| ("fuzz_round", format!("fuzz_round_{round}"))));
    driver::build_image_of(&kernel, &[hostages], &drivers, &image)?;

    let of_a_node = shape.cpus / shape.nodes;
    let nodes = (0..shape.nodes).map(|node| Node::new(of_a_node * node..of_a_node * (node + 1), 64));
    let machine = Machine::with_nodes(nodes).image(&image).patient();
    let machine = if is_concurrent(seed) { machine } else { machine.counting(SHIFT).without_screen() };
    let machine = machine.arguments(["-device", "edu", "-device", "edu"]).parameters(PARAMETERS);
    let begin = Instant::now();
    let run = machine.run(BOOT_LIMIT + CALL_LIMIT * u32::try_from(calls)?)?;
    let seconds = begin.elapsed().as_secs_f64();

    let ended = run.lines().filter(|line| line.contains("calls, every answer is right")).count() as u64;
    let is_wrong = run.serial.contains("this does not hold");
    if run.verdict != Verdict::Success || is_wrong || ended != rounds {
        eprint!("{}{}", run.serial, run.complaints);
        eprintln!("soak exports: again: ./run.sh soak exports {calls} {seed}");
        run.verdict.judge()?;
        ensure!(!is_wrong, "seed {seed}: an answer is not the contract's, or something is lost");
        bail!("seed {seed}: {ended} of {rounds} rounds have ended");
    }
    let done: u64 = run.lines().filter_map(calls_in).sum();
    let (cpus, checked) = (shape.cpus, if is_checked { "checked" } else { "normal" });
    println!(
        "soak exports: seed {seed}, {cpus} CPUs, {checked} kernel: {rounds} rounds, {done} calls, {:.0} a second with the boot",
        done as f64 / seconds
    );
    Ok(())
}

/// Returns how many calls the line of a round says that there were.
fn calls_in(line: &str) -> Option<u64> {
    let before = line.split_once(" calls, every answer is right")?.0;
    before.rsplit(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_machine_has_cpus_that_run_at_the_same_time_and_by_turns() {
        for machine in 0..MACHINES.len() as u64 {
            let seeds = || (0..16).filter(|seed| seed % MACHINES.len() as u64 == machine);
            assert!(seeds().any(is_concurrent) && !seeds().all(is_concurrent));
        }
    }
}
