//! The soak `disks`: all CPUs read all disks while the disks' interrupts move from CPU to CPU.
use anyhow::{Result, ensure};
use boot::{Machine, Verdict, driver};
use std::time::Duration;

use crate::soak::boots::BOOT_LIMIT;

/// The driver, and how many reads one copy of it does.
const DRIVER: &str = "disk_soak";
const READS: u64 = 10_000;

/// How long one copy may take, on a host that has other work.
const COPY_LIMIT: Duration = Duration::from_secs(30);

/// Does so many reads, rounded up to those of a whole number of copies of the driver. Each copy ends before the next one starts.
///
/// # Errors
/// A request is lost, ends twice or brings wrong data; or no interrupt moved.
pub fn soak(reads: u64) -> Result<()> {
    let copies = reads.div_ceil(READS);
    let folder = tempfile::tempdir()?;
    let image = folder.path().join("disks.img");
    driver::build_repeating_image(DRIVER, copies, &image)?;
    let machine = Machine::two_nodes().image(&image).parameters("move-interrupts").patient();
    let run = machine.run(BOOT_LIMIT + COPY_LIMIT * u32::try_from(copies)?)?;
    let moves: Vec<u64> = run.lines().filter_map(moves_of).collect();
    if run.verdict != Verdict::Success || moves.len() as u64 != copies {
        eprint!("{}{}", run.serial, run.complaints);
        run.verdict.judge()?;
    }
    ensure!(
        moves.len() as u64 == copies,
        "{} of {copies} copies of the driver have said what they did",
        moves.len()
    );
    let moves: u64 = moves.iter().sum();
    ensure!(moves > copies, "the interrupts did not move");
    println!(
        "soak disks: {} reads of two disks, each ended once with its data; interrupts were seen on another CPU {moves} times",
        copies * READS
    );
    Ok(())
}

/// Returns how often a copy has seen an interrupt on another CPU, from the line that it logs at its end.
fn moves_of(line: &str) -> Option<u64> {
    let (_, moves) = line.split_once(" of 2 disks, interrupts seen on another CPU: ")?;
    moves.strip_suffix(" times")?.parse().ok()
}
