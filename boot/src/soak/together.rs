//! Runs the machines of a soak: two at a time, and most of them on the counting clock.
use std::env;
use std::sync::Mutex;
use std::thread;

use anyhow::{Context, Result};
use boot::Machine;

/// So many machines run at a time, if the host has as many cores. The environment's variable `PROXIMA_MACHINES` has another number.
const MACHINES: usize = 2;
/// One of so many machines has CPUs that run at the same time, on the host's clock.
const CONCURRENT_EACH: u64 = 4;
/// An instruction takes 2^`SHIFT` ns on the counting clock. With 2^5, a driver that calls the kernel for ever kept the host for longer than two
/// minutes until the guest's 10 s were over: each call flushes QEMU's TLB.
const SHIFT: u32 = 8;

/// Returns the machine with the clock that it has as the one with this number. On the counting clock the CPUs run by turns, and waits take no
/// time of the host; there is no screen, which would take two of three instructions. Each fourth machine has CPUs that run at the same time
/// instead, and waits a minute for drivers where others wait 10 s.
pub fn with_clock(machine: Machine, number: u64) -> Machine {
    if is_concurrent(number) { machine.patient() } else { machine.counting(SHIFT).without_screen() }
}

/// Returns true if the CPUs of the machine with this number run at the same time.
pub fn is_concurrent(number: u64) -> bool {
    number % CONCURRENT_EACH == CONCURRENT_EACH - 1
}

/// Calls `run` for each job, for some at the same time. Returns what it has returned, in the order of the jobs. After an error no further job
/// begins.
///
/// # Errors
/// The first one of `run`; or the variable in the environment has no number.
pub fn each<T: Send, R: Send>(
    jobs: impl IntoIterator<Item = T>,
    run: impl Fn(T) -> Result<R> + Sync,
) -> Result<Vec<R>> {
    let queue = Mutex::new(jobs.into_iter().collect::<Vec<_>>().into_iter().enumerate());
    let outcomes = Mutex::new(Vec::new());
    let worker = || {
        loop {
            let Some((place, job)) = queue.lock().expect("nothing panics with the lock").next() else {
                return;
            };
            let outcome = run(job);
            if outcome.is_err() {
                queue.lock().expect("nothing panics with the lock").by_ref().for_each(drop);
            }
            outcomes.lock().expect("nothing panics with the lock").push((place, outcome));
        }
    };
    let workers = machines()?;
    thread::scope(|scope| (0..workers).for_each(|_| drop(scope.spawn(worker))));
    let mut outcomes = outcomes.into_inner().expect("nothing panics with the lock");
    outcomes.sort_by_key(|(place, _)| *place);
    outcomes.into_iter().map(|(_, outcome)| outcome).collect()
}

fn machines() -> Result<usize> {
    match env::var("PROXIMA_MACHINES") {
        Ok(number) => number.parse().context("PROXIMA_MACHINES has no number"),
        Err(_) => Ok(thread::available_parallelism().map_or(1, usize::from).min(MACHINES)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::bail;

    #[test]
    fn all_jobs_are_done_and_their_outcomes_are_in_order() {
        assert_eq!(each(0..100, |job| Ok(job * 2)).unwrap(), (0..100).map(|job| job * 2).collect::<Vec<_>>());
    }

    #[test]
    fn after_an_error_no_job_begins() {
        let begun = Mutex::new(0);
        let outcome = each(0..1000, |job| {
            *begun.lock().unwrap() += 1;
            if job == 3 { bail!("job {job}") } else { Ok(()) }
        });
        assert_eq!(outcome.unwrap_err().to_string(), "job 3");
        assert!(*begun.lock().unwrap() < 1000);
    }

    #[test]
    fn each_fourth_machine_has_cpus_that_run_at_the_same_time() {
        assert_eq!((0..8).filter(|number| is_concurrent(*number)).collect::<Vec<_>>(), [3, 7]);
    }
}
