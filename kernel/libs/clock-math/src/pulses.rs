//! Pulses: the interrupts that a periodic comparator raises, told from other interrupts that arrive in the same way.

/// For how many points late pulses are expected after one that was late.
const LATE: u16 = 8;
/// The parts of a period in which the place of an interrupt is kept.
const PARTS: u64 = 1 << 16;
/// A comparator may fire twice at a point. So many parts of a period after a pulse, an interrupt is the same pulse: half a millisecond of 34.
const REPEATED: u16 = (PARTS / 64) as u16;

/// Which pulses have come. A pulse belongs to a point: a count at which the comparator fires. The counter has 32 bits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pulses {
    /// The last point that the counter had reached when a pulse came.
    last: u32,
    /// How many parts of a period later it came.
    behind: u16,
    /// For how many points from there on an interrupt counts as a pulse that is late.
    lenient: u16,
}

impl Pulses {
    /// Returns the pulses of a comparator that is about to fire for the first time at the count `first`. Up to `lenient` points
    /// later, every interrupt counts as a pulse.
    #[must_use]
    pub const fn starting_at(first: u32, period: u32, lenient: u16) -> Self {
        Self { last: first.wrapping_sub(period), behind: 0, lenient }
    }

    /// Returns the state after a pulse, if an interrupt that has come at the count `now` is one. Returns `None` if it is another one:
    /// the counter has reached no point since the last pulse, and that was not just now.
    ///
    /// A comparator may fire twice at a point. QEMU's does if its timer ends in the very step of the counter, as on a clock that counts
    /// instructions.
    ///
    /// A pulse may be late: an emulator raises it, and its CPU takes it, when the host lets them. If the counter has passed more than one point,
    /// the pulse of the last one may still come, behind it. If that is taken only after the next point, the next pulse may come behind it, and so
    /// on. So every interrupt counts as a pulse for some points.
    #[must_use]
    pub const fn after_interrupt(self, now: u32, period: u32) -> Option<Self> {
        let period = if period == 0 { 1 } else { period };
        let (points, steps) = (now.wrapping_sub(self.last) / period, now.wrapping_sub(self.last) % period);
        let last = self.last.wrapping_add(points.wrapping_mul(period));
        let behind = (steps as u64 * PARTS / period as u64) as u16;
        match points {
            0 if self.lenient == 0 && behind.saturating_sub(self.behind) > REPEATED => None,
            0 => Some(self),
            1 => Some(Self { last, behind, lenient: self.lenient.saturating_sub(1) }),
            _ => Some(Self { last, behind, lenient: LATE }),
        }
    }

    /// Returns true if a pulse of the point `first` or of a later one has come.
    #[must_use]
    pub const fn have_reached(self, first: u32) -> bool {
        self.last.wrapping_sub(first) <= u32::MAX / 2
    }

    /// Returns the state as one number.
    #[must_use]
    pub const fn to_bits(self) -> u64 {
        (self.behind as u64) << 48 | (self.lenient as u64) << 32 | self.last as u64
    }

    /// Returns the state that [`Pulses::to_bits`] has made the number of.
    #[must_use]
    pub const fn from_bits(bits: u64) -> Self {
        Self { last: bits as u32, lenient: (bits >> 32) as u16, behind: (bits >> 48) as u16 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PERIOD: u32 = 1000;

    /// Passes interrupts at these distances from the first point. Returns which of them are pulses.
    fn pulses_at(first: u32, lenient: u16, distances: &[u32]) -> std::vec::Vec<bool> {
        let mut pulses = Pulses::starting_at(first, PERIOD, lenient);
        let mut is_pulse = |distance: &u32| {
            let next = pulses.after_interrupt(first.wrapping_add(*distance), PERIOD);
            pulses = next.unwrap_or(pulses);
            next.is_some()
        };
        distances.iter().map(&mut is_pulse).collect()
    }

    #[test]
    fn an_interrupt_before_the_next_point_is_no_pulse() {
        assert_eq!(
            pulses_at(7, 0, &[0, 20, 999, 1001, 1030, 2999, 3000]),
            [true, false, false, true, false, true, true]
        );
    }

    #[test]
    fn a_pulse_that_comes_twice_is_one() {
        assert_eq!(
            pulses_at(7, 0, &[0, 0, 5, 15, 17, 1000, 1002]),
            [true, true, true, true, false, true, true]
        );
        // It has come late, and behind it the second one.
        assert_eq!(pulses_at(7, 0, &[0, 1600, 1610, 1620]), [true, true, true, false]);
    }

    #[test]
    fn nothing_before_the_first_point_is_a_pulse_unless_that_is_asked_for() {
        let before = 0_u32.wrapping_sub(5);
        assert_eq!(pulses_at(0, 0, &[before, 0]), [false, true]);
        assert_eq!(
            pulses_at(0, 2, &[before, before, 0, 30, 1000, 1030, 2000]),
            [true, true, true, true, true, false, true]
        );
    }

    #[test]
    fn pulses_that_were_passed_with_an_earlier_one_may_still_come() {
        // Each is taken behind the point of the next one, and so one is left over.
        assert_eq!(pulses_at(0, 0, &[0, 2001, 3001, 4001, 4200]), [true; 5]);
        // It has come together with the earlier one. After the eighth point from there all is as before.
        assert_eq!(pulses_at(0, 0, &[0, 5500, 6000, 6200]), [true; 4]);
        let on_time = [0, 2001, 3000, 4000, 5000, 6000, 7000, 8000, 9000, 9200, 10_000, 10_200];
        let are_pulses = pulses_at(0, 0, &on_time);
        assert!(are_pulses[..11].iter().all(|is_pulse| *is_pulse) && !are_pulses[11], "{are_pulses:?}");
    }

    #[test]
    fn it_is_known_whether_the_first_pulse_has_come() {
        let first = 3;
        let pulses = Pulses::starting_at(first, PERIOD, 4);
        assert!(!pulses.have_reached(first));
        let early = pulses.after_interrupt(first.wrapping_sub(1), PERIOD).unwrap();
        assert!(!early.have_reached(first));
        assert!(early.after_interrupt(first, PERIOD).unwrap().have_reached(first));
    }

    #[test]
    fn a_period_of_0_is_no_failure() {
        let _ = Pulses::starting_at(0, 0, 0).after_interrupt(5, 0);
    }

    proptest! {
        #[test]
        fn each_pulse_counts_however_late_it_is_and_what_comes_later_does_not(
            first: u32, period in 2000..1_u32 << 20, lates in prop::collection::vec(0..90_u32, 1..100)
        ) {
            let mut pulses = Pulses::starting_at(first, period, 0);
            let mut point = first;
            for late in lates {
                // Up to almost a period late, as long as the next one has not come.
                let now = point.wrapping_add(late * (period - 1) / 100);
                pulses = pulses.after_interrupt(now, period).unwrap();
                prop_assert_eq!(pulses.after_interrupt(now, period), Some(pulses));
                prop_assert_eq!(pulses.after_interrupt(now.wrapping_add(period / 50), period), None);
                point = point.wrapping_add(period);
            }
        }

        #[test]
        fn bits_give_the_state_back(last: u32, behind: u16, lenient: u16) {
            let pulses = Pulses { last, behind, lenient };
            prop_assert_eq!(Pulses::from_bits(pulses.to_bits()), pulses);
        }
    }
}
