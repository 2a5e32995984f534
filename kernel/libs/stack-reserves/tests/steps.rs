//! The steps of a reserve, one after the other.
use stack_reserves::{Reserves, TakenBack};

const STACK: u64 = 0x1_0000;

#[test]
fn a_stack_has_its_reserve_until_that_is_freed() {
    let reserves = Reserves::<2>::none();
    assert!(reserves.are_none() && reserves.of(STACK).is_none());
    let reserve = reserves.claim(STACK, 5, 3, 9).unwrap();
    assert_eq!((reserve.frame(), reserve.stack(), reserve.return_to()), (5, STACK, 9));
    assert!(reserve.is_mapped() && reserves.of(STACK).is_some() && !reserves.are_none());
    assert!(!reserve.open_again(1), "it is open");
    reserve.leave();
    assert!(!reserve.is_mapped() && reserves.of(STACK).is_some());
    assert!(reserves.begin_flush());
    let ending = reserves.end_flush().next().unwrap();
    assert_eq!((ending.frame(), ending.stack(), ending.cpu()), (5, STACK, 3));
    assert!(reserves.of(STACK).is_none() && !reserve.open_again(1), "its frames are being freed");
    reserves.end(ending);
    assert!(reserves.are_none());
}

#[test]
fn a_reserve_that_is_opened_again_during_the_flush_stays() {
    let reserves = Reserves::<1>::none();
    let reserve = reserves.claim(STACK, 5, 0, 9).unwrap();
    assert!(!reserves.begin_flush(), "it is not left");
    reserve.leave();
    assert!(reserves.begin_flush());
    assert!(reserve.open_again(10));
    assert_eq!(reserve.return_to(), 10);
    assert!(reserves.end_flush().next().is_none() && reserve.is_mapped());
}

#[test]
fn a_stack_that_is_freed_takes_its_reserve_along() {
    let reserves = Reserves::<1>::none();
    assert!(reserves.take_back(STACK).is_none());
    let _reserve = reserves.claim(STACK, 5, 0, 9).unwrap();
    let Some(TakenBack::Mapped(ending)) = reserves.take_back(STACK) else { panic!("the pages are mapped") };
    reserves.end(ending);
    reserves.claim(STACK, 6, 0, 9).unwrap().leave();
    let Some(TakenBack::Left(ending)) = reserves.take_back(STACK) else { panic!("the pages are not mapped") };
    assert_eq!(ending.frame(), 6);
    reserves.end(ending);
    reserves.claim(STACK, 7, 0, 9).unwrap().leave();
    assert!(reserves.begin_flush());
    assert!(reserves.take_back(STACK).is_none(), "the thread that tidies frees it");
}

#[test]
fn without_a_place_there_is_no_reserve_and_another_stacks_is_not_touched() {
    let reserves = Reserves::<1>::none();
    let reserve = reserves.claim(STACK, 5, 0, 9).unwrap();
    assert!(reserves.claim(2 * STACK, 6, 0, 9).is_none());
    reserves.end(reserve.give_up().unwrap());
    let other = reserves.claim(2 * STACK, 6, 0, 9).unwrap();
    // The place is another stack's by now.
    reserve.leave();
    assert!(!reserve.open_again(1) && reserve.give_up().is_none() && other.is_mapped());
}
