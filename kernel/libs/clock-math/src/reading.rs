//! Measures the time stamp counter's rate against a counter of a known rate.
//!
//! A measurement consists of [`SLICES`] slices of time, with a [`Reading`] at each end. An interruption of the CPU inside a
//! slice does no harm, because both counters go on. An interruption between the reads of the two counters makes a reading
//! wrong, and makes it wide. So the kernel reads several times and keeps the [tightest] reading.
use arrayvec::ArrayVec;
use core::fmt;

use crate::{Counter, Hz};

/// The number of slices in a measurement. More than half of them must agree.
pub const SLICES: usize = 5;

/// A counter's value, and the ticks of the time stamp counter just before and just after it was read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reading {
    /// The ticks before.
    pub before: u64,
    /// The counter's value.
    pub count: u64,
    /// The ticks after.
    pub after: u64,
}

impl Reading {
    /// Returns the ticks that the reading took. Its value is uncertain by as many.
    #[must_use]
    pub const fn width(self) -> u64 {
        self.after.wrapping_sub(self.before)
    }

    const fn middle(self) -> u64 {
        self.before.wrapping_add(self.width() / 2)
    }
}

/// Returns the reading that took the fewest ticks, or `None` if there is none.
pub fn tightest(readings: impl IntoIterator<Item = Reading>) -> Option<Reading> {
    readings.into_iter().min_by_key(|reading| reading.width())
}

/// The reason why a rate is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Implausible {
    /// The counter does not move, or takes far longer than it should.
    StandsStill,
    /// Reading the counter takes so long that the result could be wrong by more than 1 %.
    Blurred,
    /// Of the slices, only this many agree with their median.
    Unsteady(usize),
    /// No time stamp counter has this rate.
    OutOfRange(Hz),
}

impl fmt::Display for Implausible {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::StandsStill => write!(out, "it does not count"),
            Self::Blurred => write!(out, "reading it takes too long for a measurement"),
            Self::Unsteady(agree) => write!(out, "of {SLICES} measurements, only {agree} agree"),
            Self::OutOfRange(hz) => write!(out, "it gives {hz}, which no time stamp counter has"),
        }
    }
}

/// Computes the time stamp counter's rate from the readings at the ends of the slices.
///
/// The result is that of all slices that agree with their median within 1 %.
///
/// # Errors
/// [`Implausible`] if the result cannot be right.
pub fn measured_rate(readings: &[Reading; SLICES + 1], counter: Counter) -> Result<Hz, Implausible> {
    let slices: ArrayVec<Slice, SLICES> =
        readings.windows(2).map(|ends| Slice::between(ends[0], ends[1], counter)).collect();
    let mut rates = ArrayVec::<Hz, SLICES>::new();
    for slice in &slices {
        rates.push(slice.rate(counter).ok_or(Implausible::StandsStill)?);
    }
    rates.sort_unstable();
    let median = rates[SLICES / 2];
    let agrees = |slice: &&Slice| slice.rate(counter).is_some_and(|rate| rate.agrees_with(median));
    let count = slices.iter().filter(agrees).count();
    if count * 2 <= SLICES {
        return Err(Implausible::Unsteady(count));
    }
    let all = slices.iter().filter(agrees).fold(Slice::default(), |all, slice| all.and(slice));
    if all.uncertain * 100 > all.ticks {
        return Err(Implausible::Blurred);
    }
    match all.rate(counter) {
        Some(rate) if rate.is_plausible() => Ok(rate),
        Some(rate) => Err(Implausible::OutOfRange(rate)),
        None => Err(Implausible::StandsStill),
    }
}

/// The steps of both counters in a slice, or in several.
#[derive(Clone, Copy, Default)]
struct Slice {
    ticks: u128,
    steps: u128,
    /// The ticks by which `ticks` may be wrong.
    uncertain: u128,
}

impl Slice {
    fn between(start: Reading, end: Reading, counter: Counter) -> Self {
        Self {
            ticks: end.middle().wrapping_sub(start.middle()).into(),
            steps: counter.elapsed(start.count, end.count).into(),
            uncertain: (u128::from(start.width()) + u128::from(end.width())) / 2,
        }
    }

    /// Returns both slices together. Where two slices meet, their errors cancel out, but the sum counts both.
    fn and(self, other: &Self) -> Self {
        Self {
            ticks: self.ticks + other.ticks,
            steps: self.steps + other.steps,
            uncertain: self.uncertain + other.uncertain,
        }
    }

    /// Returns the time stamp counter's rate, or `None` if the other counter did not move.
    fn rate(&self, counter: Counter) -> Option<Hz> {
        let hz = (self.ticks * u128::from(counter.hz.0)).checked_div(self.steps)?;
        Some(Hz(u64::try_from(hz).unwrap_or(u64::MAX)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{PIT, pm_timer};
    use proptest::prelude::*;

    const HPET: Counter = Counter { hz: Hz(100_000_000), bits: 32 };
    const READINGS: usize = SLICES + 1;

    /// Returns a reading at a time since both counters were 0. It takes `width` ticks, and the counter is read at their `part`th
    /// per cent.
    fn reading(hz: Hz, counter: Counter, time_ns: u64, width: u64, part: u64) -> Reading {
        let steps_in = |hz: u64| (u128::from(time_ns) * u128::from(hz) / 1_000_000_000) as u64;
        let before = steps_in(hz.0).wrapping_sub(width * part / 100);
        let count = counter.elapsed(0, steps_in(counter.hz.0));
        Reading { before, count, after: before.wrapping_add(width) }
    }

    fn counters() -> impl Strategy<Value = Counter> {
        prop_oneof![Just(HPET), Just(pm_timer(24)), Just(pm_timer(32)), Just(PIT)]
    }

    /// The ends of slices of about a millisecond, with readings of up to 5 µs.
    fn ends() -> impl Strategy<Value = [(u64, u64, u64); READINGS]> {
        proptest::array::uniform((900_000..1_100_000_u64, 0..5_000_u64, 0..=100_u64))
    }

    fn readings(
        hz: Hz,
        counter: Counter,
        start: u64,
        ends: [(u64, u64, u64); READINGS],
    ) -> [Reading; READINGS] {
        let mut time_ns = start;
        ends.map(|(slice_ns, width_ns, part)| {
            time_ns += slice_ns;
            reading(hz, counter, time_ns, width_ns * hz.0 / 1_000_000_000, part)
        })
    }

    proptest! {
        #[test]
        fn the_rate_is_right_within_a_percent_wherever_the_counters_start(
            hz in 20_000_000..6_000_000_000_u64, counter in counters(), start in 0..1_u64 << 40, ends in ends()
        ) {
            let rate = measured_rate(&readings(Hz(hz), counter, start, ends), counter);
            prop_assert!(rate.is_ok_and(|rate| rate.agrees_with(Hz(hz))), "{rate:?}");
        }

        #[test]
        fn two_wrong_slices_change_nothing(
            hz in 100_000_000..6_000_000_000_u64, counter in counters(), ends in ends(), wrong in 0..READINGS, count: u64
        ) {
            // One wrong reading makes the slices on both of its sides wrong.
            let mut readings = readings(Hz(hz), counter, 0, ends);
            readings[wrong].count = counter.elapsed(0, count);
            match measured_rate(&readings, counter) {
                Ok(rate) => prop_assert!(rate.0.abs_diff(hz) * 50 <= hz, "{rate}, not {}", Hz(hz)),
                // Two equal values in a row look like a counter that stands still.
                Err(fault) => prop_assert_eq!(fault, Implausible::StandsStill),
            }
        }

        #[test]
        fn no_readings_overflow(values: [(u64, u64, u64); READINGS], bits in 1..=64_u32, hz: u64) {
            let counter = Counter { hz: Hz(hz), bits };
            let readings = values.map(|(before, count, after)| Reading { before, count, after });
            if let Ok(rate) = measured_rate(&readings, counter) {
                prop_assert!(rate.is_plausible());
            }
        }

        #[test]
        fn a_counter_at_random_is_refused(counts in proptest::array::uniform::<_, READINGS>(0..1_u64 << 24)) {
            let mut ticks = 0;
            let readings = counts.map(|count| {
                ticks += 2_600_000;
                Reading { before: ticks, count, after: ticks }
            });
            // Three of five steps at random within 1 % of each other are rare, and even then the sum is that of their median.
            if let Err(fault) = measured_rate(&readings, pm_timer(24)) {
                prop_assert!(matches!(fault, Implausible::Unsteady(_) | Implausible::StandsStill | Implausible::OutOfRange(_)));
            }
        }
    }

    #[test]
    fn a_counter_that_stands_still_is_refused() {
        let readings = [1, 2, 3, 4, 5, 6].map(|n| Reading { before: n << 20, count: 0xffff, after: n << 20 });
        assert_eq!(measured_rate(&readings, PIT), Err(Implausible::StandsStill));
    }

    #[test]
    fn a_counter_that_takes_as_long_to_read_as_it_counts_is_refused() {
        let readings = [1, 2, 3, 4, 5, 6].map(|n| reading(Hz(1_000_000_000), HPET, n * 100_000, 50_000, 50));
        assert_eq!(measured_rate(&readings, HPET), Err(Implausible::Blurred));
    }

    #[test]
    fn a_rate_that_no_cpu_has_is_refused() {
        let readings = [1, 2, 3, 4, 5, 6].map(|n| reading(Hz(12_000), HPET, n * 1_000_000_000, 0, 0));
        assert_eq!(measured_rate(&readings, HPET), Err(Implausible::OutOfRange(Hz(12_000))));
    }

    #[test]
    fn of_several_readings_the_shortest_is_taken() {
        let taking = |width| Reading { before: u64::MAX, count: width, after: width.wrapping_sub(1) };
        assert_eq!(tightest([taking(30), taking(10), taking(20)]), Some(taking(10)));
        assert_eq!(tightest([]), None);
    }
}
