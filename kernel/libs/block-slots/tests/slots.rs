//! What the slots do on one CPU.
#![cfg(not(loom))]
use block_slots::{ClaimError, Slot, Slots};
use std::sync::atomic::AtomicUsize;

const A: usize = 0xffff_8000_0000_1000;
const B: usize = 0xffff_8000_0000_2000;

/// The note of the first slot.
const FIRST: usize = 0x50_0000;

struct Queue<'s> {
    slots: &'s [Slot],
    next: AtomicUsize,
}

impl Queue<'_> {
    fn claim(&self, index: usize, request: usize) -> bool {
        self.slots[index].claim(request, FIRST + index)
    }

    fn release(&self, index: usize, request: usize) -> bool {
        self.slots[index].release(request, FIRST + index)
    }

    fn holds(&self, index: usize, request: usize) -> bool {
        self.slots[index].holds(request)
    }

    /// Gives the request another slot than the one it notes, and returns the index.
    fn claim_any(&self, request: usize, noted: (&Slot, usize)) -> Result<usize, ClaimError> {
        let slots = Slots { slots: self.slots, first_note: FIRST, next: &self.next };
        let mut note = None;
        slots.claim_any(request, noted, |new| note.replace(new).is_none())?;
        Ok(note.unwrap() - FIRST)
    }

    /// Gives a request its first slot.
    fn claim_first(&self, request: usize) -> Result<usize, ClaimError> {
        self.claim_any(request, (&Slot::unusable(), 0))
    }
}

fn with_slots<const N: usize>(test: impl FnOnce(Queue<'_>)) {
    let slots: [Slot; N] = std::array::from_fn(|index| Slot::free(FIRST + index));
    test(Queue { slots: &slots, next: AtomicUsize::new(0) });
}

#[test]
fn a_request_is_outstanding_from_its_claim_to_its_release() {
    with_slots::<2>(|queue| {
        assert!(!queue.holds(1, A));
        assert!(queue.claim(1, A));
        assert!(queue.holds(1, A) && !queue.holds(1, B));
        assert!(queue.release(1, A));
        assert!(!queue.holds(1, A));
        assert!(queue.claim(1, B));
    });
}

#[test]
fn a_slot_that_is_taken_is_not_claimed_again() {
    with_slots::<1>(|queue| {
        assert!(queue.claim(0, A));
        assert!(!queue.claim(0, A) && !queue.claim(0, B));
        assert!(queue.holds(0, A));
    });
}

#[test]
fn only_the_note_of_a_slot_claims_it() {
    with_slots::<2>(|queue| {
        for note in [0, 1, FIRST, FIRST + 2, 0x60_0001, u32::MAX as usize] {
            assert!(!queue.slots[1].claim(A, note));
        }
        assert!(queue.claim(1, A));
    });
}

#[test]
fn an_unusable_slot_is_neither_claimed_nor_held() {
    let slot = Slot::unusable();
    assert!([0, FIRST, u32::MAX as usize].into_iter().all(|note| !slot.claim(A, note)));
    assert!(!slot.holds(A) && !slot.release(A, 0) && !slot.release(0, 0));
}

#[test]
fn only_the_request_that_a_slot_holds_is_released_and_once() {
    with_slots::<1>(|queue| {
        assert!(!queue.release(0, A));
        assert!(queue.claim(0, A));
        assert!(!queue.release(0, B) && !queue.release(0, 0));
        assert!(queue.release(0, A));
        assert!(!queue.release(0, A) && !queue.release(0, 0));
    });
}

#[test]
fn a_search_finds_every_slot_and_no_taken_one() {
    with_slots::<3>(|queue| {
        assert!(queue.claim(1, B));
        assert_eq!(queue.claim_first(A), Ok(0));
        assert_eq!(queue.claim_first(A + 8), Ok(2));
        assert_eq!(queue.claim_first(A + 16), Err(ClaimError::Full));
        assert!(queue.release(1, B));
        assert_eq!(queue.claim_first(A + 16), Ok(1));
    });
}

#[test]
fn searches_take_slots_in_turn() {
    with_slots::<4>(|queue| {
        for expected in [0, 1, 2, 3, 0, 1] {
            assert_eq!(queue.claim_first(A), Ok(expected));
            assert!(queue.release(expected, A));
        }
    });
}

#[test]
fn no_slots_hold_nothing() {
    with_slots::<0>(|queue| assert_eq!(queue.claim_first(A), Err(ClaimError::Full)));
}

#[test]
fn a_request_that_moves_frees_the_slot_that_it_noted() {
    let old = Slot::free(7);
    with_slots::<1>(|queue| {
        assert_eq!(queue.claim_any(A, (&old, 7)), Ok(0));
        assert!(old.claim(B, 7));
        assert!(old.release(B, 7));
        // A move that fails leaves everything as it was.
        assert_eq!(queue.claim_any(B, (&old, 7)), Err(ClaimError::Full));
        assert!(old.claim(B, 7));
    });
}

#[test]
fn nothing_is_submitted_by_a_note_while_its_request_moves() {
    let old = Slot::free(7);
    with_slots::<1>(|queue| {
        let slots = Slots { slots: queue.slots, first_note: FIRST, next: &queue.next };
        assert_eq!(slots.claim_any(A, (&old, 7), |_| !old.claim(A, 7)), Ok(()));
        assert!(queue.holds(0, A) && old.claim(B, 7));
    });
}

#[test]
fn a_request_that_is_outstanding_or_changes_its_note_does_not_move() {
    let old = Slot::free(7);
    with_slots::<1>(|queue| {
        assert!(old.claim(A, 7));
        assert_eq!(queue.claim_any(A, (&old, 7)), Err(ClaimError::Twice));
        assert!(old.release(A, 7));
        let slots = Slots { slots: queue.slots, first_note: FIRST, next: &queue.next };
        assert_eq!(slots.claim_any(A, (&old, 7), |_| false), Err(ClaimError::Twice));
        // It was completed in the slot that it noted.
        let completed = slots.claim_any(A, (&old, 7), |_| old.release(A, 7));
        assert_eq!(completed, Err(ClaimError::Twice));
        assert!(old.claim(B, 7) && queue.claim(0, B));
    });
}

#[test]
fn what_is_taken_out_was_held_and_is_held_no_more() {
    with_slots::<2>(|queue| {
        assert!(queue.claim(0, A));
        let taken: Vec<_> =
            queue.slots.iter().zip(FIRST..).filter_map(|(slot, note)| slot.take(note)).collect();
        assert_eq!(taken, [A]);
        assert!(!queue.release(0, A));
        assert!(queue.slots.iter().zip(FIRST..).all(|(slot, note)| slot.take(note).is_none()));
        assert!(queue.claim(0, A) && queue.claim(1, B));
    });
}
