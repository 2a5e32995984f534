//! What a CPU may hold at once.
use lock_order::{HeldRanks, OrderViolation, RANKS};

fn held(ranks: &[u8]) -> HeldRanks {
    ranks.iter().fold(HeldRanks::NONE, |held, &rank| held.acquire_unordered(rank))
}

#[test]
fn a_higher_rank_may_be_taken() {
    let all = (0..RANKS).try_fold(HeldRanks::NONE, HeldRanks::acquire).unwrap();
    assert_eq!(all, held(&(0..RANKS).collect::<Vec<_>>()));
}

#[test]
fn neither_the_same_rank_nor_a_lower_one_may_be_taken() {
    for (first, second) in (0..RANKS).flat_map(|first| (0..=first).map(move |second| (first, second))) {
        let held = HeldRanks::NONE.acquire(first).unwrap();
        assert_eq!(held.acquire(second), Err(OrderViolation { wanted: second, held }));
    }
}

#[test]
fn the_highest_rank_held_counts_not_the_last_one_taken() {
    let held = held(&[7, 3]);
    assert!(held.acquire(5).is_err());
    assert!(held.acquire(8).is_ok());
}

#[test]
fn locks_may_be_released_in_any_order() {
    let both = held(&[2, 9]);
    assert_eq!(both.release(2), held(&[9]));
    assert_eq!(both.release(9), held(&[2]));
    assert_eq!(both.release(2).release(9), HeldRanks::NONE);
    assert!(both.release(9).acquire(5).is_ok());
}

#[test]
fn none_is_held_at_first_and_after_the_last_release() {
    assert!(HeldRanks::default().none_held());
    assert!(!held(&[0]).none_held());
    assert!(held(&[0]).release(0).none_held());
}

#[test]
fn a_violation_names_what_was_wanted_and_all_that_was_held() {
    let violation = held(&[1, 4, 31]).acquire(4).unwrap_err();
    assert_eq!(violation.to_string(), "a lock of rank 4 is wanted while these are held: 1 4 31");
}

#[test]
fn the_bits_are_the_ranks() {
    assert_eq!(held(&[0, 3]).bits(), 0b1001);
    assert_eq!(HeldRanks::from_bits(0b1001), held(&[0, 3]));
}

#[test]
#[should_panic(expected = "there are 32 ranks")]
fn there_is_no_rank_32() {
    let _ = HeldRanks::NONE.acquire(RANKS);
}
