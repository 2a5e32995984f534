//! Selects the rate of the time stamp counter from those that several sources give.
use arrayvec::ArrayVec;

use crate::{Fault, Hz, Implausible, Source};

/// The answers of sources. The kernel adds one after the other until two of them agree.
#[derive(Clone, Debug, Default)]
pub struct Vote {
    answers: ArrayVec<(Source, Result<Hz, Implausible>), { Source::ALL.len() }>,
}

/// The result of a vote.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Winner {
    /// The source whose rate is used.
    pub source: Source,
    /// The rate.
    pub hz: Hz,
    /// Another source whose rate agrees. At least one of the two is measured.
    pub confirmed_by: Option<Source>,
}

impl Vote {
    /// Creates a vote without answers.
    #[must_use]
    pub const fn new() -> Self {
        Self { answers: ArrayVec::new_const() }
    }

    /// Adds a source's answer. A rate that no time stamp counter has is implausible, whatever the source. A source's second
    /// answer is ignored.
    pub fn add(&mut self, source: Source, answer: Result<Hz, Implausible>) {
        if self.answers.iter().all(|(before, _)| *before != source) {
            let is_plausible =
                |hz: Hz| if hz.is_plausible() { Ok(hz) } else { Err(Implausible::OutOfRange(hz)) };
            self.answers.push((source, answer.and_then(is_plausible)));
        }
    }

    /// Returns true if two sources agree and at least one of them is measured. The kernel then asks no other source. Two claims of
    /// CPUID prove nothing: a hypervisor may pass on both of its host's, and give its guest a counter of another rate.
    #[must_use]
    pub fn is_decided(&self) -> bool {
        self.winner().is_some_and(|winner| winner.confirmed_by.is_some())
    }

    /// Returns the preferred source among those that another one confirms, or without such a pair the preferred source of all.
    /// Returns `None` if no source gives a plausible rate.
    #[must_use]
    pub fn winner(&self) -> Option<Winner> {
        let confirmed_by = |(source, hz): (Source, Hz)| {
            let is_independent = |other: Source| source.is_measured() || other.is_measured();
            let others = self.plausible().filter(|(other, _)| *other != source && is_independent(*other));
            others.filter(|(_, other)| other.agrees_with(hz)).map(|(other, _)| other).min()
        };
        let winner = |(source, hz)| Winner { source, hz, confirmed_by: confirmed_by((source, hz)) };
        let winners = || self.plausible().map(winner);
        let confirmed = winners().filter(|winner| winner.confirmed_by.is_some());
        let preferred = confirmed.min_by_key(|winner| winner.source);
        preferred.or_else(|| winners().min_by_key(|winner| winner.source))
    }

    /// Returns the faults: every implausible answer, and every answer that contradicts the winner.
    pub fn faults(&self) -> impl Iterator<Item = Fault> {
        let winner = self.winner();
        self.answers.iter().filter_map(move |&(source, answer)| match (answer, winner) {
            (Err(reason), _) => Some(Fault::Implausible { source, reason }),
            (Ok(hz), Some(used)) if !hz.agrees_with(used.hz) => {
                Some(Fault::Contradiction { source, hz, used: used.source, used_hz: used.hz })
            }
            _ => None,
        })
    }

    fn plausible(&self) -> impl Iterator<Item = (Source, Hz)> {
        self.answers.iter().filter_map(|&(source, answer)| Some((source, answer.ok()?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Rule;
    use Source::{CpuidLeaf15, CpuidLeaf16, Hpet, Hypervisor, Pit, PmTimer};
    use proptest::prelude::*;
    use std::vec::Vec;

    const GHZ: Hz = Hz(1_000_000_000);
    const NEAR: Hz = Hz(1_000_100_000);
    const WRONG: Hz = Hz(2_000_000_000);

    fn vote(answers: &[(Source, Result<Hz, Implausible>)]) -> Vote {
        let mut vote = Vote::new();
        answers.iter().for_each(|&(source, answer)| vote.add(source, answer));
        vote
    }

    fn winner(source: Source, hz: Hz, confirmed_by: Option<Source>) -> Option<Winner> {
        Some(Winner { source, hz, confirmed_by })
    }

    #[test]
    fn one_source_is_used_and_does_not_decide() {
        let vote = vote(&[(Pit, Ok(GHZ))]);
        assert_eq!((vote.winner(), vote.is_decided()), (winner(Pit, GHZ, None), false));
        assert_eq!(vote.faults().count(), 0);
    }

    #[test]
    fn of_two_that_agree_the_preferred_ones_rate_is_used() {
        let vote = vote(&[(CpuidLeaf16, Ok(NEAR)), (PmTimer, Ok(GHZ)), (Hpet, Ok(NEAR))]);
        assert_eq!((vote.winner(), vote.is_decided()), (winner(Hpet, NEAR, Some(PmTimer)), true));
        assert_eq!(vote.faults().count(), 0);
    }

    #[test]
    fn two_that_agree_beat_a_preferred_one_that_contradicts_them() {
        let vote = vote(&[(Hypervisor, Ok(WRONG)), (PmTimer, Ok(GHZ)), (Pit, Ok(NEAR))]);
        assert_eq!(vote.winner(), winner(PmTimer, GHZ, Some(Pit)));
        let fault = Fault::Contradiction { source: Hypervisor, hz: WRONG, used: PmTimer, used_hz: GHZ };
        assert_eq!(vote.faults().collect::<Vec<_>>(), [fault]);
    }

    #[test]
    fn of_two_that_disagree_the_preferred_one_is_used_and_the_other_is_reported() {
        let vote = vote(&[(CpuidLeaf15, Ok(GHZ)), (Hpet, Ok(WRONG))]);
        assert_eq!((vote.winner(), vote.is_decided()), (winner(CpuidLeaf15, GHZ, None), false));
        let fault = Fault::Contradiction { source: Hpet, hz: WRONG, used: CpuidLeaf15, used_hz: GHZ };
        assert_eq!(vote.faults().collect::<Vec<_>>(), [fault]);
    }

    #[test]
    fn claims_of_cpuid_do_not_confirm_each_other_and_a_measurement_does() {
        let mut vote = vote(&[(CpuidLeaf15, Ok(GHZ)), (Hypervisor, Ok(GHZ)), (CpuidLeaf16, Ok(GHZ))]);
        assert_eq!((vote.winner(), vote.is_decided()), (winner(CpuidLeaf15, GHZ, None), false));
        vote.add(Hpet, Ok(NEAR));
        assert_eq!((vote.winner(), vote.is_decided()), (winner(CpuidLeaf15, GHZ, Some(Hpet)), true));
    }

    #[test]
    fn two_measurements_beat_two_claims_of_cpuid() {
        let claims = [(CpuidLeaf15, Ok(WRONG)), (CpuidLeaf16, Ok(WRONG))];
        let vote = vote(&[claims[0], claims[1], (Hpet, Ok(GHZ)), (PmTimer, Ok(NEAR))]);
        assert_eq!(vote.winner(), winner(Hpet, GHZ, Some(PmTimer)));
        assert_eq!(vote.faults().map(|fault| fault.rule()).collect::<Vec<_>>(), [Rule::Cpuid; 2]);
    }

    #[test]
    fn implausible_answers_are_reported_and_no_one_uses_them() {
        let stands_still = Implausible::StandsStill;
        let vote = vote(&[(CpuidLeaf15, Ok(Hz(1))), (Pit, Err(stands_still)), (Pit, Ok(GHZ))]);
        assert_eq!((vote.winner(), vote.is_decided()), (None, false));
        let faults = [
            Fault::Implausible { source: CpuidLeaf15, reason: Implausible::OutOfRange(Hz(1)) },
            Fault::Implausible { source: Pit, reason: stands_still },
        ];
        assert_eq!(vote.faults().collect::<Vec<_>>(), faults);
    }

    proptest! {
        #[test]
        fn two_right_sources_win_whatever_one_other_says(
            right in Hz::SLOWEST.0..=Hz::FASTEST.0, other: u64, order in Just(Source::ALL.to_vec()).prop_shuffle()
        ) {
            prop_assume!(order[0].is_measured() || order[2].is_measured());
            let vote = vote(&[(order[0], Ok(Hz(right))), (order[1], Ok(Hz(other))), (order[2], Ok(Hz(right)))]);
            let winner = vote.winner().unwrap();
            prop_assert!(vote.is_decided());
            prop_assert!(winner.hz.agrees_with(Hz(right)), "{:?}", winner);
            let is_right = Hz(other).agrees_with(winner.hz);
            prop_assert_eq!(vote.faults().count(), usize::from(!is_right));
        }
    }
}
