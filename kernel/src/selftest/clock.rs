//! The clock is right: it agrees with another one, and it is one clock for all CPUs.
use super::on_each_cpu;
use super::{Outcome, ensure};
use crate::arch;
use crate::clock::{self, ClockSource};
use crate::threads::sleep;
use clock_math::{Hz, Reading, tightest};
use core::sync::atomic::{AtomicU64, Ordering};

/// Shorter than the PIT's range of 54 ms.
const SLEEP_NS: u64 = 20_000_000;

/// A sleep takes as long by another source as by the clock, within 1 %, and not less than was asked for.
pub fn sleep_agrees() -> Outcome {
    let Some(source) = clock::other_source() else {
        log::warn!(target: "selftest", "clock.sleep_agrees: this machine has no second clock");
        return Ok(());
    };
    let start = read(source);
    sleep::sleep_ns(SLEEP_NS);
    let end = read(source);
    let slept_ns = in_ns(end.before.wrapping_sub(start.before), Hz(arch::ticks_per_ms() * 1000));
    let counter = source.counter();
    let truth_ns = in_ns(counter.elapsed(start.count, end.count), counter.hz);
    let name = source.source();
    ensure!(truth_ns >= SLEEP_NS - SLEEP_NS / 100, "a sleep of {SLEEP_NS} ns took {truth_ns} ns by {name}");
    ensure!(
        slept_ns.abs_diff(truth_ns) <= truth_ns / 100,
        "a sleep took {slept_ns} ns by the clock, and {truth_ns} ns by {name}"
    );
    Ok(())
}

/// Reads the source, between two reads of the clock.
fn read(source: &dyn ClockSource) -> Reading {
    let attempt = |_| {
        let before = clock::now();
        let count = source.read();
        Reading { before, count, after: clock::now() }
    };
    tightest((0..4).map(attempt)).expect("the range is not empty")
}

fn in_ns(count: u64, hz: Hz) -> u64 {
    (u128::from(count) * 1_000_000_000 / u128::from(hz.0)) as u64
}

/// The latest time that any CPU has read.
static LATEST: AtomicU64 = AtomicU64::new(0);
/// The furthest that any CPU's time was behind it, in ticks.
static BEHIND: AtomicU64 = AtomicU64::new(0);
/// How often each CPU reads the time.
const ROUNDS: usize = 1000;

/// When a CPU reads the time, it is not earlier than what another CPU has read before, but for a microsecond.
pub fn cpus_agree() -> Outcome {
    BEHIND.store(0, Ordering::Relaxed);
    on_each_cpu::run_on_each_cpu(|_| {
        for _ in 0..ROUNDS {
            let latest = LATEST.load(Ordering::SeqCst);
            let now = clock::now();
            LATEST.fetch_max(now, Ordering::SeqCst);
            BEHIND.fetch_max(latest.saturating_sub(now), Ordering::Relaxed);
        }
    });
    let (behind, allowed) = (BEHIND.load(Ordering::Relaxed), clock::ticks_in_ns(1000));
    ensure!(behind <= allowed, "a CPU's time is {behind} ticks behind another's, and {allowed} are allowed");
    Ok(())
}
