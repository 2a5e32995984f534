//! Comparing the time stamp counters of two CPUs.
//!
//! One CPU reads its counter, asks the other one, which reads its own, and reads its counter again when it sees the answer. The
//! other counter was read between the two, so each such exchange bounds how far it is ahead.

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

/// Returns by how many ticks the other CPU's counter is ahead of the asking CPU's, or behind if negative. It is 0 if the
/// exchanges allow that both counters are equal, otherwise the middle of what they allow.
///
/// `None` means that the exchanges contradict each other: the distance between the counters changes. It also means that there
/// was no exchange.
#[must_use]
pub fn offset_between(exchanges: &[Exchange]) -> Option<i64> {
    let first = exchanges.first()?;
    // Distances are relative to the first one, so that counters may be any distance apart.
    let base = first.answered.wrapping_sub(first.asked);
    let relative = |distance: u64| distance.wrapping_sub(base) as i64;
    let at_most = |it: &Exchange| relative(it.answered.wrapping_sub(it.asked));
    let at_least = |it: &Exchange| relative(it.answered.wrapping_sub(it.seen));
    let highest = exchanges.iter().map(at_most).min()?;
    let lowest = exchanges.iter().map(at_least).max()?;
    if lowest > highest {
        return None;
    }
    let zero = relative(0);
    if (lowest..=highest).contains(&zero) {
        return Some(0);
    }
    let middle = lowest.wrapping_add((highest.wrapping_sub(lowest)) / 2);
    Some(base.wrapping_add(middle as u64) as i64)
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

    fn times() -> impl Strategy<Value = Vec<(u64, u64, u64)>> {
        prop::collection::vec((0..1000_u64, 1..1_000_000_u64, 1..1_000_000_u64), 1..9)
    }

    proptest! {
        #[test]
        fn equal_counters_have_no_offset(times in times(), start: u64) {
            prop_assert_eq!(offset_between(&exchanges(0, &times, start)), Some(0));
        }

        #[test]
        fn an_offset_is_known_as_exactly_as_the_fastest_exchange(ahead: i64, times in times(), start: u64) {
            let exchanges = exchanges(ahead, &times, start);
            let fastest = times.iter().map(|(_, there, back)| there + back).min().unwrap();
            let found = offset_between(&exchanges).unwrap();
            let wrong_by = found.wrapping_sub(ahead).unsigned_abs();
            prop_assert!(wrong_by <= fastest, "{found} instead of {ahead}, with exchanges of {fastest}");
        }

        #[test]
        fn a_counter_of_another_speed_is_found_out(
            times in prop::collection::vec((100_000..1_000_000_u64, 1..100_u64, 1..100_u64), 4..9), start: u64
        ) {
            // Twice as fast.
            let mut exchanges = exchanges(0, &times, start);
            exchanges.iter_mut().for_each(|it| it.answered = it.answered.wrapping_add(it.answered.wrapping_sub(start)));
            prop_assert_eq!(offset_between(&exchanges), None);
        }

        #[test]
        fn no_values_overflow(values in prop::collection::vec(any::<(u64, u64, u64)>(), 0..9)) {
            let exchanges: Vec<_> =
                values.into_iter().map(|(asked, answered, seen)| Exchange { asked, answered, seen }).collect();
            let _ = offset_between(&exchanges);
        }
    }
}
