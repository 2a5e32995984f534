//! Rates of counters, and times as numbers of ticks.
use core::fmt;

const NS_PER_S: u64 = 1_000_000_000;

/// A rate: steps per second.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Hz(pub u64);

impl Hz {
    /// The lowest rate that a time stamp counter may have. Emulators that count instructions are slow.
    pub const SLOWEST: Self = Self(1_000_000);
    /// The highest rate that a time stamp counter may have. No CPU is as fast.
    pub const FASTEST: Self = Self(10_000_000_000);

    /// Returns true if a time stamp counter may have this rate.
    #[must_use]
    pub const fn is_plausible(self) -> bool {
        Self::SLOWEST.0 <= self.0 && self.0 <= Self::FASTEST.0
    }

    /// Returns true if the two rates differ by at most 1 % of the higher one.
    #[must_use]
    pub const fn agrees_with(self, other: Self) -> bool {
        let higher = if self.0 > other.0 { self.0 } else { other.0 };
        self.0.abs_diff(other.0) as u128 * 100 <= higher as u128
    }
}

impl fmt::Display for Hz {
    /// Writes megahertz, rounded to three places: `2610.465 MHz`.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let khz = self.0 / 1000 + u64::from(self.0 % 1000 >= 500);
        write!(out, "{}.{:03} MHz", khz / 1000, khz % 1000)
    }
}

/// A clock's rate, prepared so that converting a time to ticks takes one multiplication and no division.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rate {
    /// Ticks in a nanosecond, with 32 binary places, rounded up.
    ticks_per_ns: u64,
}

impl Rate {
    /// Prepares a rate. A rate above 4 GHz × 2^30, which no clock has, becomes that rate.
    #[must_use]
    pub const fn new(hz: Hz) -> Self {
        let ticks = ((hz.0 as u128) << 32).div_ceil(NS_PER_S as u128);
        Self { ticks_per_ns: if ticks > u64::MAX as u128 { u64::MAX } else { ticks as u64 } }
    }

    /// Prepares a rate from what [`Rate::to_bits`] returned.
    #[must_use]
    pub const fn from_bits(ticks_per_ns: u64) -> Self {
        Self { ticks_per_ns }
    }

    /// Returns the rate as one word, for an atomic variable.
    #[must_use]
    pub const fn to_bits(self) -> u64 {
        self.ticks_per_ns
    }

    /// Returns how many ticks take at least `time_ns` nanoseconds. A number that does not fit is `u64::MAX`.
    #[inline]
    #[must_use]
    pub const fn ticks_in_ns(self, time_ns: u64) -> u64 {
        let ticks = (time_ns as u128 * self.ticks_per_ns as u128 + u32::MAX as u128) >> 32;
        if ticks > u64::MAX as u128 { u64::MAX } else { ticks as u64 }
    }
}

/// A clock's rate the other way round, prepared so that converting ticks to a time takes one multiplication and no division.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Period {
    /// Nanoseconds in a tick, with 48 binary places, rounded to the nearest.
    ns_per_tick: u64,
}

/// The binary places of a [`Period`]. The period of [`Hz::SLOWEST`], 1000 ns, takes 58 bits.
const PERIOD_PLACES: u32 = 48;

impl Period {
    /// Prepares a rate. A rate below 16 kHz, which no clock has, becomes that rate.
    #[must_use]
    pub const fn new(hz: Hz) -> Self {
        let hz = if hz.0 > 16_000 { hz.0 as u128 } else { 16_000 };
        Self { ns_per_tick: ((((NS_PER_S as u128) << PERIOD_PLACES) + hz / 2) / hz) as u64 }
    }

    /// Prepares a rate from what [`Period::to_bits`] returned.
    #[must_use]
    pub const fn from_bits(ns_per_tick: u64) -> Self {
        Self { ns_per_tick }
    }

    /// Returns the rate as one word, for an atomic variable.
    #[must_use]
    pub const fn to_bits(self) -> u64 {
        self.ns_per_tick
    }

    /// Returns how many whole nanoseconds so many ticks take. More than 584 years begin again at 0.
    #[inline]
    #[must_use]
    pub const fn ns_in_ticks(self, ticks: u64) -> u64 {
        ((ticks as u128 * self.ns_per_tick as u128) >> PERIOD_PLACES) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::string::ToString;

    #[test]
    fn a_rate_is_written_in_megahertz() {
        assert_eq!(Hz(2_610_465_312).to_string(), "2610.465 MHz");
        assert_eq!(Hz(999_999_999).to_string(), "1000.000 MHz");
        assert_eq!(Hz(12_453_000).to_string(), "12.453 MHz");
    }

    #[test]
    fn rates_agree_within_one_percent_and_not_beyond() {
        assert!(Hz(1_000_000_000).agrees_with(Hz(990_000_000)));
        assert!(!Hz(1_000_000_000).agrees_with(Hz(989_999_999)));
        assert!(!Hz(u64::MAX).agrees_with(Hz(0)) && Hz(0).agrees_with(Hz(0)));
    }

    proptest! {
        #[test]
        fn a_time_in_ticks_is_never_too_short_and_hardly_too_long(
            hz in Hz::SLOWEST.0..=Hz::FASTEST.0, time_ns in 0..=1_000_000_000_000_u64
        ) {
            let ticks = u128::from(Rate::new(Hz(hz)).ticks_in_ns(time_ns));
            let exact = u128::from(time_ns) * u128::from(hz);
            prop_assert!(ticks * 1_000_000_000 >= exact, "{ticks} ticks are too few");
            // One in a million and one tick.
            prop_assert!(ticks <= exact / 1_000_000_000 * 1_000_001 / 1_000_000 + 2, "{ticks} ticks are too many");
        }

        #[test]
        fn ticks_in_nanoseconds_are_right_within_a_millionth_and_one(
            hz in Hz::SLOWEST.0..=Hz::FASTEST.0, ticks in 0..=1_u64 << 50
        ) {
            let ns = u128::from(Period::new(Hz(hz)).ns_in_ticks(ticks));
            let exact = u128::from(ticks) * 1_000_000_000 / u128::from(hz);
            prop_assert!(ns.abs_diff(exact) <= exact / 1_000_000 + 1, "{ns} ns, and {exact} are right");
        }

        #[test]
        fn a_later_tick_is_no_earlier_time(hz in Hz::SLOWEST.0..=Hz::FASTEST.0, ticks in 0..1_u64 << 52) {
            let period = Period::new(Hz(hz));
            let (earlier, later) = (period.ns_in_ticks(ticks), period.ns_in_ticks(ticks + 1));
            prop_assert!(earlier <= later);
            prop_assert_eq!(Period::from_bits(period.to_bits()), period);
        }

        #[test]
        fn no_time_and_no_rate_overflow(hz: u64, time_ns: u64) {
            let rate = Rate::new(Hz(hz));
            prop_assert!(rate.ticks_in_ns(time_ns) >= rate.ticks_in_ns(time_ns / 2));
            prop_assert_eq!(Rate::from_bits(rate.to_bits()), rate);
        }
    }
}
