//! Runs jobs, as many at a time as there are cores, the longest first, and says how long the rest takes.
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use boot::artifacts;
use boot::process::CANNOT_START;

use super::job::Job;
use super::report::Summary;
use super::times::Times;
use crate::command::say;

/// How many jobs run at a time, and how many tests each of them runs at a time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Width {
    jobs: usize,
    threads: usize,
}

impl Width {
    /// Returns how so many cores are used. A job that is long has a few of them.
    pub fn of_cores(cores: usize) -> Self {
        let threads = (cores / 4).clamp(1, 4);
        Self { jobs: (cores / threads).max(1), threads }
    }
}

/// What is known of the jobs while they run.
struct State<'j> {
    /// The jobs that have not begun, in the reverse of their order.
    waiting: Vec<&'j Job>,
    /// When each running job began.
    running: BTreeMap<&'j str, Instant>,
    times: Times,
    progress: Progress,
    failed: Vec<Failure>,
}

/// A job, some of whose tests failed.
pub struct Failure {
    /// The commands that run them again.
    pub again: Vec<String>,
    /// Lines that say why they failed.
    pub reasons: Vec<String>,
}

/// How far the jobs are.
#[derive(Default)]
struct Progress {
    done: usize,
    all: usize,
    /// Seconds that the jobs which are done were expected to take.
    expected: f64,
    /// Seconds that they took.
    taken: f64,
}

/// Runs jobs to their end, whether or not others fail. Returns what failed.
///
/// # Errors
/// A job cannot be started, or its output cannot be kept.
pub fn run(jobs: &[Job], filter: Option<&str>, width: Width) -> Result<Vec<Failure>> {
    let logs = artifacts::workspace().join("target/test-logs");
    // What an earlier run has left says nothing about this one.
    let _ = fs::remove_dir_all(&logs);
    fs::create_dir_all(&logs).with_context(|| logs.display().to_string())?;
    let times = Times::read();
    let mut waiting: Vec<&Job> = jobs.iter().collect();
    waiting.sort_by(|one, other| times.of(&one.name).total_cmp(&times.of(&other.name)));
    let progress = Progress { all: jobs.len(), ..Progress::default() };
    let state = State { waiting, running: BTreeMap::new(), times, progress, failed: Vec::new() };
    let state = Mutex::new(state);
    let work = || -> Result<()> {
        while let Some(job) = begin(&state) {
            let log = logs.join(job.name.replace(':', "-")).with_added_extension("log");
            let began = Instant::now();
            let success = run_one(job, width.threads, filter, &log)?;
            end(&state, job, began.elapsed(), success, &log, width)?;
        }
        Ok(())
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..width.jobs).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().expect("no part of a worker panics"))
    })?;
    let state = state.into_inner().unwrap_or_else(PoisonError::into_inner);
    if filter.is_none() {
        state.times.write()?;
    }
    Ok(state.failed)
}

fn begin<'j>(state: &Mutex<State<'j>>) -> Option<&'j Job> {
    let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
    let job = state.waiting.pop()?;
    state.running.insert(&job.name, Instant::now());
    Some(job)
}

/// Runs a job with its output in a file. Returns whether it succeeded.
fn run_one(job: &Job, threads: usize, filter: Option<&str>, log: &Path) -> Result<bool> {
    let file = File::create(log).with_context(|| log.display().to_string())?;
    let mut command = job.command(threads, filter);
    let status = command.stdout(file.try_clone()?).stderr(file).status().context(CANNOT_START)?;
    Ok(status.success())
}

/// Tells how a job ended.
fn end(
    state: &Mutex<State<'_>>,
    job: &Job,
    took: Duration,
    success: bool,
    log: &PathBuf,
    width: Width,
) -> Result<()> {
    let output = String::from_utf8_lossy(&fs::read(log)?).into_owned();
    let summary = Summary::of(&output);
    let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
    let state = &mut *state;
    state.running.remove(job.name.as_str());
    let seconds = took.as_secs_f64();
    state.progress.done += 1;
    state.progress.expected += state.times.of(&job.name);
    state.progress.taken += seconds;
    if success {
        state.times.record(&job.name, seconds);
    } else {
        print!("{output}");
        let again: Vec<_> = match summary.failed.as_slice() {
            [] => vec![job.again(None)],
            failed => failed.iter().map(|test| job.again(Some(test))).collect(),
        };
        let reasons = summary.reasons.iter().map(|line| (*line).to_owned()).collect();
        state.failed.push(Failure { again, reasons });
    }
    let what = match (success, summary.passed) {
        (false, _) => "FAILED".into(),
        (true, 0) => "passed".into(),
        (true, 1) => "1 test passed".into(),
        (true, count) => format!("{count} tests passed"),
    };
    let Progress { done, all, .. } = state.progress;
    let left = left(state, width.jobs);
    say(format_args!("[{done:3} of {all}] {}: {what} in {seconds:.0} s{left}", job.name));
    summary.skipped.iter().for_each(|line| say(format_args!("    {line}")));
    Ok(())
}

/// Returns what there is to say about the time that the other jobs take.
fn left(state: &State<'_>, jobs: usize) -> String {
    if state.waiting.is_empty() && state.running.is_empty() {
        return String::new();
    }
    let waiting = state.waiting.iter().map(|job| state.times.of(&job.name));
    let running = state.running.iter().map(|(name, began)| {
        // What runs longer than expected ends soon, as far as anyone knows.
        (state.times.of(name) - began.elapsed().as_secs_f64()).max(1.0)
    });
    let running: Vec<f64> = running.collect();
    let longest = running.iter().copied().fold(0.0, f64::max);
    let all = waiting.sum::<f64>() + running.iter().sum::<f64>();
    let seconds = (all / jobs as f64).max(longest) * state.progress.pace();
    match (seconds / 60.0).round() {
        minutes if minutes < 1.0 => "; less than a minute left".into(),
        minutes => format!("; about {minutes:.0} min left"),
    }
}

impl Progress {
    /// Returns how much longer jobs take than they are expected to: 1 until enough is known.
    fn pace(&self) -> f64 {
        const ENOUGH: f64 = 60.0;
        if self.expected < ENOUGH { 1.0 } else { self.taken / self.expected }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cores_are_shared_among_jobs_and_their_tests() {
        let width = |cores| {
            let Width { jobs, threads } = Width::of_cores(cores);
            (jobs, threads)
        };
        assert_eq!(width(1), (1, 1));
        assert_eq!(width(2), (2, 1));
        assert_eq!(width(8), (4, 2));
        assert_eq!(width(64), (16, 4));
    }

    #[test]
    fn the_pace_is_that_of_the_jobs_that_are_done() {
        let progress = Progress { expected: 100.0, taken: 150.0, ..Progress::default() };
        assert!((progress.pace() - 1.5).abs() < 1e-9);
        let early = Progress { expected: 10.0, taken: 50.0, ..Progress::default() };
        assert!((early.pace() - 1.0).abs() < 1e-9);
    }
}
