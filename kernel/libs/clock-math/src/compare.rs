//! Compares the time stamp counters of two CPUs.
//!
//! One CPU reads its counter and asks the other CPU, which reads its own. When the first CPU sees the answer, it reads its counter
//! again. The other counter was read between the two reads, so each such exchange bounds how far it is ahead.

/// A question and its answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Exchange {
    /// The asking CPU's counter before it asked.
    pub asked: u64,
    /// The other CPU's counter.
    pub answered: u64,
    /// The asking CPU's counter after it saw the answer.
    pub seen: u64,
}

/// The bounds that exchanges set on how far the other CPU's counter is ahead of the asking CPU's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Comparison {
    /// A distance that the first exchange allows. The bounds are relative to it, so that counters may be any distance apart.
    base: u64,
    /// The lower bound, in ticks.
    lowest: i64,
    /// The upper bound, in ticks.
    highest: i64,
}

impl Comparison {
    /// Starts with one exchange.
    #[must_use]
    pub const fn new(first: Exchange) -> Self {
        let base = first.answered.wrapping_sub(first.asked);
        let whole = Self { base, lowest: i64::MIN, highest: i64::MAX };
        whole.and(first)
    }

    /// Returns the comparison after one more exchange.
    #[must_use]
    pub const fn and(self, exchange: Exchange) -> Self {
        let highest = self.relative(exchange.answered.wrapping_sub(exchange.asked));
        let lowest = self.relative(exchange.answered.wrapping_sub(exchange.seen));
        Self {
            lowest: if lowest > self.lowest { lowest } else { self.lowest },
            highest: if highest < self.highest { highest } else { self.highest },
            ..self
        }
    }

    const fn relative(self, distance: u64) -> i64 {
        distance.wrapping_sub(self.base) as i64
    }

    /// Returns true if the exchanges allow that both counters are equal.
    #[must_use]
    pub const fn may_be_equal(self) -> bool {
        let zero = self.relative(0);
        self.lowest <= zero && zero <= self.highest
    }

    /// Returns by how many ticks the offset is uncertain, or `None` if the exchanges contradict each other: the distance between
    /// the counters changes.
    #[must_use]
    pub const fn uncertainty(self) -> Option<u64> {
        if self.lowest > self.highest { None } else { Some(self.highest.abs_diff(self.lowest)) }
    }

    /// Returns by how many ticks the other counter is ahead, or behind if negative. It is 0 if both counters may be equal,
    /// otherwise the middle of what the exchanges allow. Returns `None` if they contradict each other.
    #[must_use]
    pub const fn offset(self) -> Option<i64> {
        let Some(uncertainty) = self.uncertainty() else { return None };
        if self.may_be_equal() {
            return Some(0);
        }
        let middle = self.lowest.wrapping_add((uncertainty / 2) as i64);
        Some(self.base.wrapping_add(middle as u64) as i64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec::Vec;

    /// Exchanges with a counter that is `ahead`, each as (pause before it, way there, way back).
    fn exchanges(ahead: i64, times: &[(u64, u64, u64)], start: u64) -> Vec<Exchange> {
        let mut now = start;
        let each = |&(pause, there, back): &(u64, u64, u64)| {
            let asked = now.wrapping_add(pause);
            let met = asked.wrapping_add(there);
            now = met.wrapping_add(back);
            Exchange { asked, answered: met.wrapping_add_signed(ahead), seen: now }
        };
        times.iter().map(each).collect()
    }

    fn compare(exchanges: &[Exchange]) -> Comparison {
        exchanges[1..].iter().fold(Comparison::new(exchanges[0]), |all, &exchange| all.and(exchange))
    }

    fn times() -> impl Strategy<Value = Vec<(u64, u64, u64)>> {
        prop::collection::vec((0..1000_u64, 1..1_000_000_u64, 1..1_000_000_u64), 1..9)
    }

    proptest! {
        #[test]
        fn equal_counters_have_no_offset(times in times(), start: u64) {
            let comparison = compare(&exchanges(0, &times, start));
            prop_assert!(comparison.may_be_equal());
            prop_assert_eq!(comparison.offset(), Some(0));
        }

        #[test]
        fn an_offset_is_known_as_exactly_as_the_fastest_exchange(ahead: i64, times in times(), start: u64) {
            let comparison = compare(&exchanges(ahead, &times, start));
            let fastest = times.iter().map(|(_, there, back)| there + back).min().unwrap();
            prop_assert!(comparison.uncertainty().unwrap() <= fastest);
            let wrong_by = comparison.offset().unwrap().wrapping_sub(ahead).unsigned_abs();
            prop_assert!(wrong_by <= fastest, "wrong by {wrong_by}, with exchanges of {fastest}");
        }

        #[test]
        fn a_counter_of_another_speed_is_found_out(
            times in prop::collection::vec((100_000..1_000_000_u64, 1..100_u64, 1..100_u64), 4..9), start: u64
        ) {
            // Twice as fast.
            let mut exchanges = exchanges(0, &times, start);
            exchanges.iter_mut().for_each(|it| it.answered = it.answered.wrapping_add(it.answered.wrapping_sub(start)));
            prop_assert_eq!(compare(&exchanges).offset(), None);
        }

        #[test]
        fn no_values_overflow(values in prop::collection::vec(any::<(u64, u64, u64)>(), 1..9)) {
            let exchanges: Vec<_> =
                values.into_iter().map(|(asked, answered, seen)| Exchange { asked, answered, seen }).collect();
            let comparison = compare(&exchanges);
            prop_assert_eq!(comparison.offset().is_some(), comparison.uncertainty().is_some());
        }
    }
}
