//! The soak `fail-allocation`: each boot has one allocation of pages fail. The kernel does without, or says what it lacked.
use std::collections::BTreeSet;

use anyhow::{Context, Result, bail, ensure};
use boot::{Machine, Run, Verdict};

use crate::soak::boots::BOOT_LIMIT;

/// The number of an allocation that no boot reaches.
const BEYOND_ALL: u64 = u64::MAX;

/// Boots so many times. The allocations that fail are spread over the whole boot; if `boots` is large enough, each of them
/// fails once.
///
/// # Errors
/// A boot hangs or breaks, or it fails without a word about memory.
pub fn soak(boots: u64) -> Result<()> {
    let all = count(&boot(BEYOND_ALL)?)?;
    let boots = boots.clamp(1, all);
    // The first and the last are among them.
    let numbers: BTreeSet<u64> = (0..boots).map(|boot| 1 + boot * (all - 1) / (boots - 1).max(1)).collect();
    let (mut gave_up, mut broken) = (0, Vec::new());
    for (done, number) in (1..).zip(&numbers) {
        let run = boot(*number)?;
        let verdict =
            judge_one(&run).with_context(|| format!("with allocation {number} of {all} made to fail"));
        match verdict {
            Ok(without) => gave_up += u64::from(!without),
            Err(error) => {
                eprintln!("{}{}run.sh: {error:#}", run.serial, run.complaints);
                broken.push(*number);
            }
        }
        if done % 20 == 0 {
            eprintln!("soak: {done} of {} boots", numbers.len());
        }
    }
    ensure!(broken.is_empty(), "allocations that must not fail: {broken:?} of {all}");
    println!(
        "soak: {} boots, each without one of {all} allocations: {} did without, {gave_up} said what they lacked",
        numbers.len(),
        numbers.len() as u64 - gave_up
    );
    Ok(())
}

fn boot(number: u64) -> Result<Run> {
    Machine::two_nodes().parameters(&format!("fail-allocation={number}")).run(BOOT_LIMIT)
}

/// Returns how many allocations a boot takes, as it says itself.
fn count(run: &Run) -> Result<u64> {
    run.verdict.judge()?;
    let line = run.lines().find_map(|line| line.strip_suffix(" allocations were counted"));
    let number = line
        .and_then(|line| line.rsplit(' ').next())
        .context("no line says how many allocations there were")?;
    Ok(number.parse()?)
}

/// Returns true if the kernel did without the allocation, false if it gave up and said for want of what.
fn judge_one(run: &Run) -> Result<bool> {
    let mut lines = run.lines().skip_while(|line| !line.ends_with("fails as was asked for"));
    ensure!(lines.next().is_some(), "nothing was made to fail");
    let after: Vec<&str> = lines.collect();
    if let Some(fault) = after.iter().find(|line| line.starts_with("ERROR fault:")) {
        bail!("the kernel broke: {fault}");
    }
    match run.verdict {
        Verdict::Success => Ok(true),
        Verdict::Failure => {
            ensure!(
                after.iter().any(|line| line.contains("memory")),
                "nothing says what there was no memory for"
            );
            Ok(false)
        }
        other => other.judge().map(|()| true),
    }
}
