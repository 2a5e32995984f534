//! Exact instruction counts: the program runs itself under callgrind.
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::Peer;
use crate::workloads::Workload;

/// The option for the run under callgrind: a heap, a workload and the number of repeats.
pub const OPTION: &str = "run";

/// Calls `work` in the function in which callgrind counts.
#[inline(always)]
pub fn counted(mut work: impl FnMut()) {
    let mut work: &mut dyn FnMut() = &mut work;
    heap_comparison_counted(&mut work);
}

/// The compiler does not mangle this name.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn heap_comparison_counted(work: &mut &mut dyn FnMut()) {
    work();
}

/// Returns true if valgrind is installed.
pub fn available() -> bool {
    Command::new("valgrind").arg("--version").output().is_ok_and(|output| output.status.success())
}

/// Returns the instructions of one operation.
pub fn count(peer: &Peer, workload: Workload) -> Result<f64> {
    // The difference to twice as many repeats excludes everything around them.
    let times = workload.times();
    let (once, twice) = (collected(peer, workload, times)?, collected(peer, workload, 2 * times)?);
    Ok((twice - once) as f64 / (times * workload.operations()) as f64)
}

fn collected(peer: &Peer, workload: Workload, times: u64) -> Result<u64> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg("--toggle-collect=heap_comparison_counted")
        .arg(std::env::current_exe()?)
        .arg(format!("--{OPTION}"))
        .args([peer.name, workload.name(), &times.to_string()])
        .output()?;
    let log = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{} of {}: {log}", workload.name(), peer.name);
    let line = log.lines().find_map(|line| line.split_once("Collected : "));
    line.and_then(|(_, count)| count.trim().parse().ok()).with_context(|| format!("no count in: {log}"))
}
