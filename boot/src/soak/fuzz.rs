//! Soaks of the readers of firmware's tables: mutated tables, and what libFuzzer finds.
use std::fs::{self, File};
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result, bail};
use boot::artifacts;
use boot::process::{CANNOT_START, attached};

use crate::build::{self, FUZZ_TARGETS, HOST};
use crate::command::{in_workspace, run};

/// How often the whole soak runs each fuzz target.
pub const WHOLE: u64 = 20_000_000;

/// How many lines of a fuzz target's log tell what failed.
const LAST_LINES: usize = 40;

/// Reads so many mutated tables, and builds topologies of some. The tables of real machines are among them, where they are.
pub fn mutations(count: u64) -> Result<()> {
    let program = build::mutations()?;
    run(in_workspace(program).arg(count.to_string()).arg(artifacts::workspace().join("../shared/tables")))
}

/// Runs each fuzz target so many times. A sample runs the same inputs each time. The whole starts from what earlier ones have
/// found, in `target/fuzz/corpus`.
pub fn targets(count: u64) -> Result<()> {
    let programs = build::fuzz_targets()?;
    let folder = artifacts::workspace().join("target/fuzz");
    for target in FUZZ_TARGETS {
        let path = folder.join(target).with_added_extension("log");
        let log = File::create(&path).with_context(|| path.display().to_string())?;
        let mut fuzz = attached(programs.join(target));
        fuzz.arg(format!("-runs={count}")).args(["-seed=1", "-max_len=4096", "-timeout=60"]);
        fuzz.arg(format!("-artifact_prefix={}/{target}-", folder.display()));
        if count >= WHOLE {
            let corpus = folder.join("corpus").join(target);
            fs::create_dir_all(&corpus).with_context(|| corpus.display().to_string())?;
            fuzz.arg(corpus);
        }
        let copy = log.try_clone().with_context(|| path.display().to_string())?;
        let status =
            fuzz.stdout(Stdio::from(copy)).stderr(Stdio::from(log)).status().context(CANNOT_START)?;
        let log = read(&path)?;
        if !status.success() {
            let from = log.lines().count().saturating_sub(LAST_LINES);
            log.lines().skip(from).for_each(|line| eprintln!("{line}"));
            bail!(
                "target {target} fails; target/fuzz/{HOST}/release/{target} FILE does it again, with the file named above"
            );
        }
        println!("soak fuzz: {count} runs of {target}, {}", coverage(&log));
    }
    Ok(())
}

/// Reads a log, which may quote bytes that are no text.
fn read(path: &Path) -> Result<String> {
    let bytes = fs::read(path).with_context(|| path.display().to_string())?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Returns the last coverage that libFuzzer has reported, `cov: 123`.
fn coverage(log: &str) -> String {
    let number = log.rsplit("cov: ").next().filter(|_| log.contains("cov: ")).unwrap_or_default();
    let digits: String = number.chars().take_while(char::is_ascii_digit).collect();
    format!("cov: {digits}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coverage_is_the_last_that_the_log_tells() {
        let log = "#2\tINITED cov: 11 ft: 12 corp: 1/1b\n#64\tNEW    cov: 345 ft: 400\nDone 64 runs";
        assert_eq!(coverage(log), "cov: 345");
        assert_eq!(coverage("nothing"), "cov: ");
    }
}
