//! The soak `fail-allocation`: each boot has one allocation fail, of pages or from the heaps. The kernel does without, or says what it
//! lacked. One of the drivers takes all memory, so that those after it find none in any case.
use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use boot::{Machine, Run, Verdict, driver};

use crate::soak::boots::BOOT_LIMIT;

/// The number of an allocation that no boot reaches.
const BEYOND_ALL: u64 = u64::MAX;

/// The parameters that make an allocation fail, and what it is of.
const SERIES: [(&str, &str); 2] = [("fail-allocation", "pages"), ("fail-heap", "heap")];

/// Boots so many times for pages, and so many times for the heaps. The allocations that fail are spread over the whole boot; if
/// `boots` is large enough, each of them fails once.
///
/// # Errors
/// A boot hangs, panics or breaks, or it fails without a word about memory.
pub fn soak(boots: u64) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let image = folder.path().join("exhausting.img");
    driver::build_exhausting_image(&image)?;
    SERIES.iter().try_for_each(|(parameter, of)| series(boots, parameter, of, &image))
}

fn series(boots: u64, parameter: &str, of: &str, image: &Path) -> Result<()> {
    let all = count(&boot(image, parameter, BEYOND_ALL)?)?;
    let boots = boots.clamp(1, all);
    // The first and the last are among them.
    let numbers: BTreeSet<u64> = (0..boots).map(|boot| 1 + boot * (all - 1) / (boots - 1).max(1)).collect();
    let (mut gave_up, mut broken) = (0, Vec::new());
    for (done, number) in (1..).zip(&numbers) {
        let run = boot_that_reaches(image, parameter, *number)?;
        let verdict =
            judge_one(&run).with_context(|| format!("with {of} allocation {number} of {all} made to fail"));
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
    ensure!(broken.is_empty(), "{of} allocations that must not fail: {broken:?} of {all}");
    println!(
        "soak: {} boots, each without one of {all} {of} allocations: {} did without, {gave_up} said what they lacked",
        numbers.len(),
        numbers.len() as u64 - gave_up
    );
    Ok(())
}

fn boot(image: &Path, parameter: &str, number: u64) -> Result<Run> {
    Machine::two_nodes().image(image).parameters(&format!("{parameter}={number}")).patient().run(BOOT_LIMIT)
}

/// Boots with this allocation made to fail. A boot may take a few allocations less than the one that was counted, as its CPUs run in another
/// order: if it ends before it reaches the number, the last that it took fails in the next boot.
fn boot_that_reaches(image: &Path, parameter: &str, mut number: u64) -> Result<Run> {
    const ATTEMPTS: u32 = 5;
    for _ in 1..ATTEMPTS {
        let run = boot(image, parameter, number)?;
        match count(&run) {
            Ok(taken) if taken < number => number = taken,
            _ => return Ok(run),
        }
    }
    boot(image, parameter, number)
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
    let broken = |line: &&&str| line.starts_with("ERROR fault:") || line.starts_with("ERROR panic:");
    if let Some(line) = after.iter().find(broken) {
        bail!("the kernel broke: {line}");
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
