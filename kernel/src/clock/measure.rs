//! Measures the time stamp counter against a [`ClockSource`].
use super::source::ClockSource;
use crate::arch;
use clock_math::{Hz, Implausible, Reading, SLICES, measured_rate, tightest};

/// Microseconds in a slice.
const SLICE_US: u64 = 800;
/// How often a counter is read for one reading.
const ATTEMPTS: usize = 4;
/// How often a measurement is repeated if a busy host may have spoilt it.
const REPEATS: usize = 3;

/// Measures the time stamp counter's rate against a counter.
///
/// # Errors
/// [`Implausible`] if the result cannot be right.
pub fn rate_by(source: &dyn ClockSource) -> Result<Hz, Implausible> {
    let is_spoilt =
        |rate: &Result<Hz, Implausible>| matches!(rate, Err(Implausible::Blurred | Implausible::Unsteady(_)));
    let mut rate = measure(source);
    for _ in 0..REPEATS {
        if is_spoilt(&rate) {
            rate = measure(source);
        }
    }
    rate
}

fn measure(source: &dyn ClockSource) -> Result<Hz, Implausible> {
    let counter = source.counter();
    let steps = counter.steps_in_us(SLICE_US);
    let mut readings = [read(source); SLICES + 1];
    for slice in 1..readings.len() {
        wait_for_steps(source, readings[slice - 1].count, steps)?;
        readings[slice] = read(source);
    }
    measured_rate(&readings, counter)
}

fn read(source: &dyn ClockSource) -> Reading {
    let read = |_| {
        let before = arch::ticks_in_order();
        let count = source.read();
        Reading { before, count, after: arch::ticks_in_order() }
    };
    tightest((0..ATTEMPTS).map(read)).expect("the range is not empty")
}

/// Waits until the counter has made this many steps since it was `from`.
fn wait_for_steps(source: &dyn ClockSource, from: u64, steps: u64) -> Result<(), Implausible> {
    let (start, counter) = (arch::ticks(), source.counter());
    loop {
        // The ticks come before the counter: if the CPU is interrupted in between, the counter has moved.
        let waited = arch::ticks().wrapping_sub(start);
        if counter.elapsed(from, source.read()) >= steps {
            return Ok(());
        }
        // The fastest CPU would need as many ticks.
        if waited > SLICE_US * (Hz::FASTEST.0 / 1_000_000) {
            return Err(Implausible::StandsStill);
        }
        core::hint::spin_loop();
    }
}
