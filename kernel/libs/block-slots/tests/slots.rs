//! What the slots do on one CPU.
#![cfg(not(loom))]
use block_slots::{Slot, claim_any};
use std::sync::atomic::AtomicUsize;

const A: usize = 0x1000;
const B: usize = 0x2000;

struct Slots<'s> {
    slots: &'s [Slot],
    next: AtomicUsize,
}

impl Slots<'_> {
    fn get(&self, index: u32) -> Option<&Slot> {
        self.slots.get(index as usize)
    }

    fn claim_any(&self, request: usize) -> Option<u32> {
        claim_any(self.slots, &self.next, request)
    }
}

fn with_slots<const N: usize>(test: impl FnOnce(Slots<'_>)) {
    let slots = [const { Slot::free() }; N];
    test(Slots { slots: &slots, next: AtomicUsize::new(0) });
}

#[test]
fn a_request_is_outstanding_from_its_claim_to_its_release() {
    with_slots::<2>(|slots| {
        let slot = slots.get(1).unwrap();
        assert!(!slot.holds(A));
        assert!(slot.claim(A));
        assert!(slot.holds(A) && !slot.holds(B));
        assert!(slot.release(A));
        assert!(!slot.holds(A));
    });
}

#[test]
fn a_slot_that_is_taken_is_not_claimed_again() {
    with_slots::<1>(|slots| {
        let slot = slots.get(0).unwrap();
        assert!(slot.claim(A));
        assert!(!slot.claim(A) && !slot.claim(B));
        assert!(slot.holds(A));
    });
}

#[test]
fn only_the_request_that_a_slot_holds_is_released_and_once() {
    with_slots::<1>(|slots| {
        let slot = slots.get(0).unwrap();
        assert!(!slot.release(A));
        assert!(slot.claim(A));
        assert!(!slot.release(B));
        assert!(slot.release(A));
        assert!(!slot.release(A));
    });
}

#[test]
fn a_search_finds_every_slot_and_no_taken_one() {
    with_slots::<3>(|slots| {
        assert!(slots.get(1).unwrap().claim(B));
        assert_eq!(slots.claim_any(A), Some(0));
        assert_eq!(slots.claim_any(A + 8), Some(2));
        assert_eq!(slots.claim_any(A + 16), None);
        assert!(slots.get(1).unwrap().release(B));
        assert_eq!(slots.claim_any(A + 16), Some(1));
    });
}

#[test]
fn searches_take_slots_in_turn() {
    with_slots::<4>(|slots| {
        for expected in [0, 1, 2, 3, 0, 1] {
            assert_eq!(slots.claim_any(A), Some(expected));
            assert!(slots.get(expected).unwrap().release(A));
        }
    });
}

#[test]
fn no_slots_hold_nothing() {
    with_slots::<0>(|slots| {
        assert_eq!(slots.claim_any(A), None);
        assert!(slots.get(0).is_none());
    });
}

#[test]
fn what_is_taken_out_was_held_and_is_held_no_more() {
    with_slots::<2>(|slots| {
        assert!(slots.get(0).unwrap().claim(A));
        let taken: Vec<_> = slots.slots.iter().filter_map(Slot::take).collect();
        assert_eq!(taken, [A]);
        assert!(!slots.get(0).unwrap().release(A));
        assert!(slots.slots.iter().all(|slot| slot.take().is_none()));
    });
}
