//! Counters of a known rate that start again at 0 when they overflow.
use crate::Hz;

/// A counter of a known rate.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Counter {
    /// The counter's rate.
    pub hz: Hz,
    /// The number of its bits, from 1 to 64.
    pub bits: u32,
}

/// The PIT: 16 bits at a third of a television's colour carrier (Intel 8254).
pub const PIT: Counter = Counter { hz: Hz(1_193_182), bits: 16 };

/// Returns the PM timer with this many bits, 24 or 32 (ACPI 6.5 §4.8.2.1).
#[must_use]
pub const fn pm_timer(bits: u32) -> Counter {
    Counter { hz: Hz(3_579_545), bits }
}

impl Counter {
    const fn mask(self) -> u64 {
        u64::MAX >> (64 - self.bits)
    }

    /// Returns the steps from one value of the counter to a later one. The counter has overflowed at most once between them.
    #[must_use]
    pub const fn elapsed(self, from: u64, to: u64) -> u64 {
        to.wrapping_sub(from) & self.mask()
    }

    /// Returns how many steps the counter makes in this time, at least one.
    #[must_use]
    pub const fn steps_in_us(self, time_us: u64) -> u64 {
        let steps = self.hz.0 as u128 * time_us as u128 / 1_000_000;
        if steps == 0 { 1 } else { steps as u64 }
    }

    /// Returns the 64-bit count that `count`, a value just read, stands for. `last` is an earlier 64-bit count. If `count` is older
    /// than `last`, by up to half the counter's range, another CPU has read the counter meanwhile; then the result is `last`.
    ///
    /// The counter must be read at least once while it counts through half of its range.
    #[must_use]
    pub const fn extended(self, last: u64, count: u64) -> u64 {
        let ahead = self.elapsed(last, count);
        if ahead <= self.mask() / 2 { last.wrapping_add(ahead) } else { last }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn steps_are_counted_across_an_overflow(bits in 1..=64_u32, from: u64, steps: u64) {
            let counter = Counter { bits, ..PIT };
            let (from, steps) = (from & counter.mask(), steps & counter.mask());
            prop_assert_eq!(counter.elapsed(from, from.wrapping_add(steps) & counter.mask()), steps);
        }

        #[test]
        fn an_extended_count_follows_the_true_one_and_never_goes_back(
            bits in 8..=63_u32, start in 0..1_u64 << 62, steps in prop::collection::vec(any::<u64>(), 1..50)
        ) {
            let counter = Counter { bits, ..PIT };
            let (mut truth, mut extended) = (start, start);
            for step in steps {
                truth = (truth + step % (counter.mask() / 2)) % (1 << 63);
                if truth < extended {
                    break;
                }
                extended = counter.extended(extended, truth & counter.mask());
                prop_assert_eq!(extended, truth);
                // What another CPU has read a little earlier.
                let stale = truth.wrapping_sub(step % (counter.mask() / 2));
                prop_assert!(counter.extended(extended, stale & counter.mask()) == truth);
            }
        }
    }

    #[test]
    fn a_slow_counter_makes_at_least_one_step() {
        assert_eq!(Counter { hz: Hz(10), bits: 8 }.steps_in_us(1), 1);
        assert_eq!(PIT.steps_in_us(1000), 1193);
        assert_eq!(Counter { hz: Hz(u64::MAX), bits: 64 }.steps_in_us(1_000_000), u64::MAX);
    }
}
