//! Compares the timers with a plain list of them.
use super::{Due, Entry, NEVER, SLOT_BITS, SLOTS, Shared, TimerId, Timers, find, free_slot, ids_of, tag_of};
use proptest::prelude::*;
use std::boxed::Box;
use std::collections::{BTreeMap, BTreeSet};
use std::vec::Vec;

/// The timers of a CPU, as the kernel has them.
struct Cpu<'m> {
    slots: &'m [Shared; SLOTS],
    timers: Timers<'m, u32>,
}

/// The owner of the tests' timers, and another one.
const OWNER: usize = 7;
const OTHER: usize = 8;

impl Cpu<'_> {
    fn create(&mut self, owner: usize, value: u32) -> Option<TimerId> {
        self.timers.create(free_slot(self.slots, owner)?, owner, value)
    }

    /// Returns true if the first timer is due earlier than before.
    fn set(&mut self, id: TimerId, when: u64, period: u64) -> bool {
        find(self.slots, id).unwrap().set(when, period) && self.timers.requeue(id)
    }
}

/// Calls `test` with the timers of a CPU.
fn with_timers<R>(tag: u32, test: impl FnOnce(&mut Cpu<'_>) -> R) -> R {
    let slots: Box<[Shared; SLOTS]> = Box::new(core::array::from_fn(|_| Shared::new()));
    let mut entries: Vec<_> = (0..SLOTS).map(|_| Entry::new()).collect();
    let timers = Timers::new(&slots[..], &mut entries, tag);
    test(&mut Cpu { slots: &slots, timers })
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

fn take_all(cpu: &mut Cpu<'_>, now: u64) -> Vec<TimerId> {
    let mut taken = Vec::new();
    while let Some(due) = cpu.timers.take_due(now) {
        if let Due::Timer(id, _) = due {
            assert!(find(cpu.slots, id).is_some());
            taken.push(id);
        }
    }
    taken
}

fn follows_the_model(cpu: &mut Cpu<'_>, steps: Vec<Step>) -> Result<(), TestCaseError> {
    let (mut model, mut now) = (Model::new(), 0);
    let nth = |model: &Model, which: usize| model.keys().nth(which).copied();
    for step in steps {
        match step {
            Step::Create => {
                if let Some(id) = cpu.create(OWNER, 1) {
                    prop_assert!(model.insert(id, (NEVER, 0)).is_none());
                }
            }
            Step::Set { which, when, period } => {
                if let Some(id) = nth(&model, which) {
                    let before = cpu.timers.next();
                    let is_earlier = cpu.set(id, now + when, period);
                    prop_assert_eq!(is_earlier, cpu.timers.next() < before);
                    model.insert(id, (now + when, period));
                }
            }
            Step::Stop(which) => {
                if let Some(id) = nth(&model, which) {
                    prop_assert!(!cpu.set(id, NEVER, 0));
                    model.insert(id, (NEVER, 0));
                }
            }
            Step::Destroy(which) => {
                if let Some(id) = nth(&model, which) {
                    prop_assert!(!cpu.timers.destroy(id, OTHER));
                    prop_assert!(cpu.timers.destroy(id, OWNER));
                    prop_assert!(find(cpu.slots, id).is_none() && !cpu.timers.destroy(id, OWNER));
                    model.remove(&id);
                }
            }
            Step::Advance(by) => {
                now += by;
                let taken = take_all(cpu, now);
                let due = model_due(&mut model, now);
                prop_assert_eq!(taken.len(), due.len());
                prop_assert_eq!(taken.into_iter().collect::<BTreeSet<_>>(), due);
                prop_assert!(cpu.timers.next() > now);
            }
        }
        // It may look too early, for a timer that was stopped or set later, and never too late.
        let first = model.values().map(|(when, _)| *when).min().unwrap_or(NEVER);
        prop_assert!(cpu.timers.next() <= first);
        let ids: BTreeSet<_> = ids_of(cpu.slots, OWNER).collect();
        prop_assert_eq!(ids, model.keys().copied().collect());
    }
    Ok(())
}

proptest! {
    #[test]
    fn each_timer_is_due_at_its_time_and_once(steps in prop::collection::vec(step(), 1..200)) {
        with_timers(5, |cpu| follows_the_model(cpu, steps))?;
    }
}

#[test]
fn timers_come_in_the_order_of_their_times() {
    with_timers(0, |cpu| {
        let times: Vec<u64> = (1..SLOTS as u64).map(|index| index * 7919 % 1009).collect();
        for (value, time) in times.iter().enumerate() {
            let id = cpu.create(OWNER, value as u32).unwrap();
            cpu.set(id, *time, 0);
        }
        assert!(cpu.create(OWNER, 0).is_none(), "all slots are in use");
        let mut taken = Vec::new();
        while let Some(Due::Timer(_, value)) = cpu.timers.take_due(1009) {
            taken.push(times[value as usize]);
        }
        assert_eq!(taken.len(), SLOTS - 1);
        assert!(taken.is_sorted());
    });
}

#[test]
fn a_timer_that_is_set_and_stopped_again_and_again_stays_in_its_place() {
    with_timers(0, |cpu| {
        let id = cpu.create(OWNER, 1).unwrap();
        assert!(cpu.set(id, 10, 0));
        for when in 11..100 {
            let timer = find(cpu.slots, id).unwrap();
            assert!(!timer.set(NEVER, 0) && !timer.set(when, 0));
        }
        assert_eq!(cpu.timers.next(), 10);
        assert_eq!(cpu.timers.take_due(10), Some(Due::Later));
        assert_eq!(cpu.timers.next(), 99);
    });
}

#[test]
fn a_timer_may_be_set_again_when_it_is_due() {
    with_timers(0, |cpu| {
        let id = cpu.create(OWNER, 1).unwrap();
        cpu.set(id, 10, 0);
        assert_eq!(cpu.timers.take_due(12), Some(Due::Timer(id, 1)));
        assert!(cpu.set(id, 15, 0));
        assert_eq!(cpu.timers.take_due(15), Some(Due::Timer(id, 1)));
        assert_eq!((cpu.timers.take_due(NEVER - 1), cpu.timers.next()), (None, NEVER));
    });
}

#[test]
fn a_period_that_has_passed_unnoticed_is_left_out() {
    with_timers(0, |cpu| {
        let id = cpu.create(OWNER, 1).unwrap();
        cpu.set(id, 10, 10);
        assert_eq!(cpu.timers.take_due(19), Some(Due::Timer(id, 1)));
        assert_eq!(cpu.timers.next(), 20);
        assert_eq!(cpu.timers.take_due(45), Some(Due::Timer(id, 1)));
        assert_eq!(cpu.timers.next(), 55);
        cpu.set(id, 50, NEVER - 5);
        assert_eq!(cpu.timers.take_due(60), Some(Due::Timer(id, 1)));
        assert_eq!(cpu.timers.next(), NEVER, "a time beyond all times is never");
    });
}

#[test]
fn an_id_is_positive_names_its_tag_and_comes_back_late() {
    with_timers(1023, |cpu| {
        let kept = cpu.create(OWNER, 0).unwrap();
        let mut seen = BTreeSet::from([kept]);
        for _ in 0..4095 {
            let id = cpu.create(OWNER, 0).unwrap();
            assert!(seen.insert(id), "{id:?} comes back");
            assert!(id.0 > 0 && i32::try_from(id.0).is_ok() && tag_of(id) == 1023);
            assert!(cpu.timers.destroy(id, OWNER));
        }
        assert!(find(cpu.slots, kept).is_some());
        for wrong in [0, u32::MAX, kept.0 ^ 1 << SLOT_BITS, kept.0 + 1] {
            assert!(find(cpu.slots, TimerId(wrong)).is_none());
        }
    });
}

#[test]
fn a_slot_stays_with_its_owner_until_it_is_released() {
    with_timers(0, |cpu| {
        let id = cpu.create(OWNER, 1).unwrap();
        let late = find(cpu.slots, id).unwrap();
        assert!(cpu.timers.destroy(id, OWNER));
        let others = (0..).map_while(|_| cpu.create(OTHER, 2)).count();
        assert_eq!(others, SLOTS - 2);
        // A call that comes after the timer's end changes nothing of the other owner's timers.
        if late.set(5, 0) {
            assert!(!cpu.timers.requeue(id));
        }
        assert_eq!(cpu.timers.next(), NEVER);
        assert!(cpu.create(OWNER, 1).is_some_and(|again| again != id && cpu.timers.destroy(again, OWNER)));
        cpu.timers.release(OWNER);
        assert!(cpu.create(OTHER, 2).is_some());
    });
}
