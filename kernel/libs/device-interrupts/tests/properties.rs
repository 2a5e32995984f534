//! The lib on the host: vectors, the spread over CPUs, counts.
#![cfg(not(loom))]
use std::collections::BTreeSet;

use device_interrupts::{
    Barrier, FIRST_VECTOR, LAST_VECTOR, STREAK_LIMIT, Streak, Tally, VectorSet, by_nearness,
};
use proptest::prelude::*;

const ALL: usize = (LAST_VECTOR - FIRST_VECTOR) as usize + 1;

#[test]
fn a_cpu_gives_each_of_its_vectors_once() {
    let set = VectorSet::new();
    let given: BTreeSet<u8> = std::iter::from_fn(|| set.allocate()).collect();
    assert_eq!(given, (FIRST_VECTOR..=LAST_VECTOR).collect());
    assert_eq!((set.allocate(), set.used()), (None, ALL as u32));
    assert!(set.free(0x80) && !set.free(0x80));
    assert_eq!(set.allocate(), Some(0x80));
}

#[test]
fn vectors_of_the_kernel_are_not_given() {
    let set = VectorSet::new();
    for vector in (0..FIRST_VECTOR).chain(LAST_VECTOR + 1..=u8::MAX) {
        assert!(!set.allocate_this(vector), "{vector:#x}");
    }
    assert_eq!(set.used(), 0);
}

#[test]
fn a_moved_interrupt_keeps_its_vector_if_it_is_free_there() {
    let (from, to) = (VectorSet::new(), VectorSet::new());
    assert_eq!((from.allocate(), from.allocate()), (Some(0x30), Some(0x31)));
    assert_eq!(to.allocate_common(&from, 0x31), Some(0x31));
    // 0x31 is in use here, and 0x30 there.
    assert_eq!(to.allocate_common(&from, 0x31), Some(0x32));
    assert_eq!(to.allocate_common(&from, 0x30), Some(0x30));
}

#[test]
fn two_cpus_without_a_common_vector_have_none() {
    let (from, to) = (VectorSet::new(), VectorSet::new());
    for vector in FIRST_VECTOR..=LAST_VECTOR {
        assert!(if vector % 2 == 0 { &from } else { &to }.allocate_this(vector));
    }
    assert!(to.allocate_this(0x30));
    assert_eq!(to.allocate_common(&from, 0x30), None);
    assert_eq!(to.used() as usize, ALL / 2 + 1);
}

#[test]
fn an_answer_serves_all_requests_before_it() {
    let barrier = Barrier::new();
    let (first, second) = (barrier.ask(), barrier.ask());
    assert!(!barrier.has_answered(first) && !barrier.has_answered(second));
    barrier.answer();
    assert!(barrier.has_answered(first) && barrier.has_answered(second));
    let third = barrier.ask();
    assert!(!barrier.has_answered(third) && barrier.has_answered(second));
}

#[test]
fn only_a_row_of_unclaimed_interrupts_is_complete() {
    let streak = Streak::new();
    for _ in 1..STREAK_LIMIT {
        assert!(!streak.unclaimed());
    }
    streak.claimed();
    let complete = (1..=2 * STREAK_LIMIT).filter(|_| streak.unclaimed()).count();
    assert_eq!(complete, 2);
}

#[test]
fn a_tally_keeps_the_longest_run() {
    let tally = Tally::new();
    for (ticks, is_claimed) in [(5, true), (9, false), (7, true)] {
        tally.count(is_claimed);
        if tally.is_longest(ticks) {
            tally.set_longest(ticks);
        }
    }
    let counts = tally.counts();
    assert_eq!((counts.runs, counts.unclaimed, counts.longest), (3, 1, 9));
}

/// Something that is done with a set.
#[derive(Clone, Copy, Debug)]
enum Step {
    Allocate,
    This(u8),
    Free(u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![3 => Just(Step::Allocate), 1 => any::<u8>().prop_map(Step::This), 2 => any::<u8>().prop_map(Step::Free)]
}

proptest! {
    #[test]
    fn a_set_is_a_set(steps in proptest::collection::vec(step(), 0..600)) {
        let (set, mut model) = (VectorSet::new(), BTreeSet::new());
        for step in steps {
            match step {
                Step::Allocate => {
                    let lowest = (FIRST_VECTOR..=LAST_VECTOR).find(|vector| !model.contains(vector));
                    prop_assert_eq!(set.allocate(), lowest);
                    model.extend(lowest);
                }
                Step::This(vector) => {
                    let is_free = (FIRST_VECTOR..=LAST_VECTOR).contains(&vector) && model.insert(vector);
                    prop_assert_eq!(set.allocate_this(vector), is_free);
                }
                Step::Free(vector) => prop_assert_eq!(set.free(vector), model.remove(&vector)),
            }
            prop_assert_eq!(set.used() as usize, model.len());
        }
    }

    #[test]
    fn interrupts_go_round_the_cpus_of_the_nearest_node(distances in proptest::collection::vec(0_u8..4, 1..70), index in 0_usize..300) {
        let cpus = || distances.iter().copied().enumerate();
        let nearest = *distances.iter().min().unwrap();
        let of_node: Vec<usize> = cpus().filter(|cpu| cpu.1 == nearest).map(|cpu| cpu.0).collect();
        let order: Vec<usize> = by_nearness(cpus(), index).collect();
        prop_assert_eq!(order[0], of_node[index % of_node.len()]);
        // Each CPU of the node once, and the next interrupt begins with the next CPU.
        let next: Vec<usize> = by_nearness(cpus(), index + 1).collect();
        let mut turned = order.clone();
        turned.rotate_left(1);
        prop_assert_eq!(next, turned);
        prop_assert_eq!(order.iter().copied().collect::<BTreeSet<_>>(), of_node.iter().copied().collect());
    }
}

#[test]
fn without_cpus_there_is_none() {
    assert_eq!(by_nearness(std::iter::empty::<(u8, u8)>(), 3).count(), 0);
}
