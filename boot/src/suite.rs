//! The verb `test`: everything that continuous integration runs, or a part of it by name.
mod job;
mod programs;
mod report;
mod schedule;
mod times;

use std::thread;

use anyhow::{Result, bail, ensure};
use boot::qemu;

use crate::build;
use crate::command::say;
use job::Job;
use schedule::Width;

/// Runs the host tests, the tests that boot QEMU, and a sample of each soak: all of them, or those jobs that `name` chooses, with the
/// tests whose name contains `filter`.
///
/// # Errors
/// Something cannot be built, no job has that name, or a test fails.
pub fn test(name: Option<&str>, filter: Option<&str>) -> Result<()> {
    build::images(&[])?;
    build::checked_kernel()?;
    say("Building the tests");
    let programs = programs::build(&[])?.into_iter().chain(programs::build(&["--package", "boot"])?);
    // Built by itself: with the others, mdBook's features would be theirs, and all of them would be built once more.
    let programs = programs.chain(programs::build(&["--package", "book"])?);
    let mut jobs: Vec<Job> = programs.map(Job::program).chain(job::others()).collect();
    if let Some(name) = name {
        jobs.retain(|job| job.is_called(name));
        ensure!(!jobs.is_empty(), "{name}: no package, test program or soak has this name");
    }
    let cores = thread::available_parallelism().map_or(1, usize::from);
    say(format_args!("Running {} test programs and soaks, in QEMU {}", jobs.len(), qemu::version()?));
    let failed = schedule::run(&jobs, filter, Width::of_cores(cores))?;
    if failed.is_empty() {
        return Ok(());
    }
    say("What failed runs again with:");
    let mut count = 0;
    for failure in &failed {
        for command in &failure.again {
            say(format_args!("    {command}"));
            count += 1;
        }
        failure.reasons.iter().for_each(|line| say(format_args!("        {line}")));
    }
    bail!("{count} of the tests failed; the output of each program is in target/test-logs")
}
