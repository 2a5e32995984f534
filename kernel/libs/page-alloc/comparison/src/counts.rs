//! Exact instruction counts: the program runs itself under callgrind.
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::frame_allocator::Crate;
use crate::workloads::Workload;

/// The option for the run under callgrind: a crate, a workload and the number of repeats.
pub const OPTION: &str = "run";

/// The name of the function in which callgrind counts. The compiler does not mangle it.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn comparison_counted(workload: &mut &mut dyn FnMut(u64), times: u64) {
    workload(times);
}

/// Repeats a workload in the function in which callgrind counts.
pub fn run<C: Crate>(workload: Workload, times: u64) {
    workload.with::<C, _>(|mut work| {
        // Work that only the first repeat does is not counted.
        work(1);
        comparison_counted(&mut work, times);
    });
}

/// Returns true if valgrind is installed.
pub fn available() -> bool {
    Command::new("valgrind").arg("--version").output().is_ok_and(|output| output.status.success())
}

/// Returns the instructions of one operation.
pub fn count<C: Crate>(workload: Workload) -> Result<f64> {
    let times = match workload {
        Workload::Setup => 1,
        Workload::HugePair => 1000,
        _ => 20,
    };
    // The difference to twice as many repeats excludes everything around them.
    let (once, twice) = (collected::<C>(workload, times)?, collected::<C>(workload, 2 * times)?);
    Ok((twice - once) as f64 / (times * workload.operations()) as f64)
}

fn collected<C: Crate>(workload: Workload, times: u64) -> Result<u64> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null", "--toggle-collect=comparison_counted"])
        .arg(std::env::current_exe()?)
        .arg(format!("--{OPTION}"))
        .args([C::NAME, workload.name(), &times.to_string()])
        .output()?;
    let log = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{} of {}: {log}", workload.name(), C::NAME);
    let line = log.lines().find_map(|line| line.split_once("Collected : "));
    line.and_then(|(_, count)| count.trim().parse().ok()).with_context(|| format!("no count in: {log}"))
}
