//! Compares the timers with a plain list of them.
use super::{Due, NEVER, SLOT_BITS, Slot, TimerId, Timers, tag_of};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::vec::Vec;

fn slots(count: usize) -> Vec<Slot<u32>> {
    (0..count).map(|_| Slot::new()).collect()
}

#[derive(Clone, Debug)]
enum Step {
    Create,
    Set { which: usize, when: u64, period: u64 },
    Stop(usize),
    Destroy(usize),
    Advance(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => Just(Step::Create),
        6 => (0..20_usize, 0..200_u64, prop_oneof![Just(0), 1..30_u64])
            .prop_map(|(which, when, period)| Step::Set { which, when, period }),
        2 => (0..20_usize).prop_map(Step::Stop),
        1 => (0..20_usize).prop_map(Step::Destroy),
        4 => (0..20_u64).prop_map(Step::Advance),
    ]
}

/// A timer of the model: when it is due, and its period.
type Model = BTreeMap<TimerId, (u64, u64)>;

/// Returns the timers that are due, as the model has them, and sets those with a period again.
fn model_due(model: &mut Model, now: u64) -> BTreeSet<TimerId> {
    let mut due = BTreeSet::new();
    for (id, (when, period)) in model.iter_mut().filter(|(_, (when, _))| *when <= now) {
        due.insert(*id);
        *when = match *period {
            0 => NEVER,
            period if *when + period > now => *when + period,
            period => now + period,
        };
    }
    due
}

fn take_all(timers: &mut Timers<'_, u32>, now: u64) -> Vec<TimerId> {
    let mut taken = Vec::new();
    while let Some(due) = timers.take_due(now) {
        if let Due::Timer(id, value) = due {
            assert_eq!(timers.find(id).map(|timer| timer.value()), Some(value));
            taken.push(id);
        }
    }
    taken
}

proptest! {
    #[test]
    fn each_timer_is_due_at_its_time_and_once(steps in prop::collection::vec(step(), 1..200)) {
        let mut slots = slots(12);
        let mut timers = Timers::new(&mut slots, 5);
        let (mut model, mut now, mut made) = (Model::new(), 0, 0);
        let nth = |model: &Model, which: usize| model.keys().nth(which).copied();
        for step in steps {
            match step {
                Step::Create => {
                    made += 1;
                    let id = timers.create(made);
                    prop_assert_eq!(id.is_some(), model.len() < 12);
                    if let Some(id) = id {
                        prop_assert!(model.insert(id, (NEVER, 0)).is_none());
                    }
                }
                Step::Set { which, when, period } => {
                    if let Some(id) = nth(&model, which) {
                        let before = timers.next();
                        let is_earlier = timers.find(id).unwrap().set(now + when, period);
                        prop_assert_eq!(is_earlier, timers.next() < before);
                        model.insert(id, (now + when, period));
                    }
                }
                Step::Stop(which) => {
                    if let Some(id) = nth(&model, which) {
                        prop_assert!(!timers.find(id).unwrap().set(NEVER, 0));
                        model.insert(id, (NEVER, 0));
                    }
                }
                Step::Destroy(which) => {
                    if let Some(id) = nth(&model, which) {
                        timers.find(id).unwrap().destroy();
                        prop_assert!(timers.find(id).is_none());
                        model.remove(&id);
                    }
                }
                Step::Advance(by) => {
                    now += by;
                    let taken = take_all(&mut timers, now);
                    let due = model_due(&mut model, now);
                    prop_assert_eq!(taken.len(), due.len());
                    prop_assert_eq!(taken.into_iter().collect::<BTreeSet<_>>(), due);
                    prop_assert!(timers.next() > now);
                }
            }
            // It may look too early, for a timer that was stopped or set later, and never too late.
            let first = model.values().map(|(when, _)| *when).min().unwrap_or(NEVER);
            prop_assert!(timers.next() <= first);
            prop_assert_eq!(timers.in_use(), model.len());
            let ids: BTreeSet<_> = timers.ids(|_| true).collect();
            prop_assert_eq!(ids, model.keys().copied().collect());
        }
    }
}

#[test]
fn timers_come_in_the_order_of_their_times() {
    let mut slots = slots(200);
    let mut timers = Timers::new(&mut slots, 0);
    let times: Vec<u64> = (0..200).map(|index| index * 7919 % 1009).collect();
    for (value, time) in times.iter().enumerate() {
        let id = timers.create(value as u32).unwrap();
        timers.find(id).unwrap().set(*time, 0);
    }
    let mut taken = Vec::new();
    while let Some(Due::Timer(_, value)) = timers.take_due(1009) {
        taken.push(times[value as usize]);
    }
    assert_eq!(taken.len(), 200);
    assert!(taken.is_sorted());
}

#[test]
fn a_timer_that_is_set_and_stopped_again_and_again_stays_in_its_place() {
    let mut slots = slots(2);
    let mut timers = Timers::new(&mut slots, 0);
    let id = timers.create(1).unwrap();
    assert!(timers.find(id).unwrap().set(10, 0));
    for when in 11..100 {
        assert!(!timers.find(id).unwrap().set(NEVER, 0));
        assert!(!timers.find(id).unwrap().set(when, 0));
    }
    assert_eq!(timers.next(), 10);
    assert_eq!(timers.take_due(10), Some(Due::Later));
    assert_eq!(timers.next(), 99);
}

#[test]
fn a_timer_may_be_set_while_it_is_due() {
    let mut slots = slots(2);
    let mut timers = Timers::new(&mut slots, 0);
    let id = timers.create(1).unwrap();
    timers.find(id).unwrap().set(10, 0);
    assert_eq!(timers.take_due(12), Some(Due::Timer(id, 1)));
    assert!(timers.find(id).unwrap().set(15, 0));
    assert_eq!(timers.take_due(15), Some(Due::Timer(id, 1)));
    assert_eq!((timers.take_due(NEVER - 1), timers.next()), (None, NEVER));
}

#[test]
fn a_period_that_has_passed_unnoticed_is_left_out() {
    let mut slots = slots(1);
    let mut timers = Timers::new(&mut slots, 0);
    let id = timers.create(1).unwrap();
    timers.find(id).unwrap().set(10, 10);
    assert_eq!(timers.take_due(19), Some(Due::Timer(id, 1)));
    assert_eq!(timers.next(), 20);
    assert_eq!(timers.take_due(45), Some(Due::Timer(id, 1)));
    assert_eq!(timers.next(), 55);
    timers.find(id).unwrap().set(60, NEVER - 5);
    assert_eq!(timers.take_due(60), Some(Due::Timer(id, 1)));
    assert_eq!(timers.next(), NEVER, "a time beyond all times is never");
}

#[test]
fn an_id_is_positive_names_its_tag_and_comes_back_late() {
    let mut slots = slots(3);
    let mut timers = Timers::new(&mut slots, 1023);
    let kept = timers.create(0).unwrap();
    let mut seen = BTreeSet::from([kept]);
    for _ in 0..2 * 4095 {
        let id = timers.create(0).unwrap();
        assert!(seen.insert(id), "{id:?} comes back");
        assert!(id.0 > 0 && i32::try_from(id.0).is_ok() && tag_of(id) == 1023);
        timers.find(id).unwrap().destroy();
    }
    assert!(timers.find(kept).is_some());
    assert!(timers.find(TimerId(0)).is_none());
    assert!(timers.find(TimerId(u32::MAX)).is_none());
    let other_tag = TimerId(kept.0 ^ 1 << SLOT_BITS);
    assert!(timers.find(other_tag).is_none());
}
