//! Models of the slots: every interleaving of CPUs that submit, complete and unregister. `docs/testing.md` says how they run.
#![cfg(loom)]
use block_slots::{Slot, claim_any};
use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use loom::thread;

const A: usize = 0x1000;
const B: usize = 0x2000;

/// Two slots.
struct Slots {
    slots: [Slot; 2],
    next: AtomicUsize,
}

impl Slots {
    fn all(&self) -> &[Slot] {
        &self.slots
    }

    fn claim_any(&self, request: usize) -> Option<u32> {
        claim_any(&self.slots, &self.next, request)
    }
}

fn slots() -> Arc<Slots> {
    Arc::new(Slots { slots: [Slot::free(), Slot::free()], next: AtomicUsize::new(0) })
}

/// Runs both at the same time, and returns what they return.
fn both(first: impl FnOnce() -> usize + 'static, second: impl FnOnce() -> usize) -> (usize, usize) {
    let other = thread::spawn(first);
    let mine = second();
    (other.join().unwrap(), mine)
}

#[test]
fn of_two_completions_of_a_request_one_succeeds() {
    loom::model(|| {
        let slots = slots();
        assert!(slots.all()[0].claim(A));
        let release = |slots: Arc<Slots>| move || usize::from(slots.all()[0].release(A));
        let (first, second) = both(release(slots.clone()), release(slots));
        assert_eq!(first + second, 1);
    });
}

#[test]
fn of_two_submissions_of_a_request_that_has_a_slot_one_succeeds() {
    loom::model(|| {
        let slots = slots();
        let claim = |slots: Arc<Slots>| move || usize::from(slots.all()[1].claim(A));
        let (first, second) = both(claim(slots.clone()), claim(slots));
        assert_eq!(first + second, 1);
    });
}

#[test]
fn an_unregistration_and_a_completion_end_a_request_once() {
    loom::model(|| {
        let slots = slots();
        assert!(slots.all()[0].claim(A));
        let completing = slots.clone();
        let (completed, gone) = both(
            move || usize::from(completing.all()[0].release(A)),
            || slots.all().iter().filter_map(Slot::take).count(),
        );
        assert_eq!(completed + gone, 1);
    });
}

#[test]
fn two_searches_find_different_slots() {
    loom::model(|| {
        let slots = slots();
        let other = slots.clone();
        let (first, second) =
            both(move || other.claim_any(A).unwrap() as usize, || slots.claim_any(B).unwrap() as usize);
        assert_ne!(first, second);
        assert!(slots.all()[first].holds(A) && slots.all()[second].holds(B));
    });
}

#[test]
fn what_was_written_before_a_submission_is_seen_by_the_completion() {
    loom::model(|| {
        let slots = slots();
        let content = Arc::new(UnsafeCell::new(0));
        let (submitting, written) = (slots.clone(), content.clone());
        let (_, completed) = both(
            move || {
                written.with_mut(|_| ());
                usize::from(submitting.all()[0].claim(A))
            },
            || {
                let completed = slots.all()[0].release(A);
                if completed {
                    content.with(|_| ());
                }
                usize::from(completed)
            },
        );
        assert!(completed <= 1);
    });
}

#[test]
fn a_request_that_is_submitted_again_is_completed_once_more_and_no_more() {
    loom::model(|| {
        let slots = slots();
        let completions = Arc::new(AtomicUsize::new(0));
        assert!(slots.all()[0].claim(A));
        let (other, count) = (slots.clone(), completions.clone());
        let again = thread::spawn(move || {
            if other.all()[0].release(A) {
                count.fetch_add(1, Relaxed);
                assert!(other.all()[0].claim(A));
            }
        });
        if slots.all()[0].release(A) {
            completions.fetch_add(1, Relaxed);
        }
        again.join().unwrap();
        let left = slots.all().iter().filter_map(Slot::take).count();
        // Either the one that submits again was first, or it found nothing to complete.
        match completions.load(Relaxed) {
            1 => assert!(left <= 1),
            2 => assert_eq!(left, 0),
            count => panic!("{count} completions"),
        }
    });
}
