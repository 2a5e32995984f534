//! What is reported of refused frees, and what is only counted.
use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use free_refusals::{RefusalKind, Refusals};
use proptest::prelude::*;

#[test]
fn every_kind_has_a_counter_of_its_own() {
    for (index, kind) in RefusalKind::ALL.into_iter().enumerate() {
        assert_eq!(kind as usize, index, "{kind:?}");
    }
}

#[test]
fn the_first_refusal_of_a_kind_is_reported_and_later_ones_are_counted() {
    let refusals = Refusals::new();
    assert_eq!(refusals.unreported(), 0);
    assert!(refusals.note(RefusalKind::AlreadyFree));
    assert_eq!(refusals.unreported(), 0, "the first one was reported");
    assert!(!refusals.note(RefusalKind::AlreadyFree));
    assert!(!refusals.note(RefusalKind::AlreadyFree));
    assert_eq!(refusals.unreported(), 2);
}

#[test]
fn one_record_says_nothing_about_another() {
    let (one, other) = (Refusals::new(), Refusals::new());
    assert!(one.note(RefusalKind::NotABlock));
    assert!(other.note(RefusalKind::NotABlock));
}

#[test]
fn two_threads_together_report_each_kind_exactly_once() {
    let records: Vec<Refusals> = (0..50_000).map(|_| Refusals::new()).collect();
    let arrived = AtomicUsize::new(0);
    // Both threads wait for each other before each record, so that they often meet at one counter.
    let note_all = || {
        let note_record = |(index, record): (usize, &Refusals)| {
            arrived.fetch_add(1, Ordering::Relaxed);
            while arrived.load(Ordering::Relaxed) < 2 * (index + 1) {
                thread::yield_now();
            }
            RefusalKind::ALL.map(|kind| record.note(kind))
        };
        records.iter().enumerate().flat_map(note_record).collect::<Vec<bool>>()
    };
    let (mine, theirs) = thread::scope(|scope| {
        let other = scope.spawn(note_all);
        (note_all(), other.join().expect("the other thread does not panic"))
    });
    assert!(mine.iter().zip(&theirs).all(|(mine, theirs)| mine != theirs), "exactly one of the two reports");
    assert!(records.iter().all(|record| record.unreported() == RefusalKind::ALL.len() as u64));
}

proptest! {
    #[test]
    fn whatever_is_refused_is_either_reported_or_counted(
        kinds in prop::collection::vec(prop::sample::select(&RefusalKind::ALL[..]), 0..200),
    ) {
        let refusals = Refusals::new();
        let mut seen = HashSet::new();
        for kind in &kinds {
            prop_assert_eq!(refusals.note(*kind), seen.insert(*kind));
        }
        prop_assert_eq!(refusals.unreported(), (kinds.len() - seen.len()) as u64);
    }
}
