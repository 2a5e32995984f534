//! A sealed grant is freed by its owner alone.
mod machine;

use machine::{Machine, node, span};
use page_alloc::{FreeError, Grant, PageAllocator, Request};
use proptest::prelude::*;
use units::{FrameNumber, FrameRange};

/// One node, of 8192 frames.
fn machine() -> Machine {
    Machine::new(&[span(0, 0, 8192)], &[&[0]])
}

/// What may be handed out: begins with a block, and ends inside one.
const FREE: FrameRange = FrameRange::new(512, 8000);

fn allocate(pages: &PageAllocator<'_>, count: u64) -> Grant {
    pages.allocate(&Request::new(count, node(0))).unwrap()
}

/// Every free of a grant or a part of it that somebody else may try.
fn assert_not_freed(pages: &PageAllocator<'_>, grant: Grant) {
    let Grant { frame, count, .. } = grant;
    let before = (pages.free_by_order(node(0)), pages.node_stats(node(0)).unwrap().free);
    for wrong in [1, count, count - 1, count + 1, 512] {
        assert_eq!(pages.free(frame, wrong), Err(FreeError::NeverAdded(frame)), "{wrong} of {grant:?}");
    }
    for inside in [1, count / 2, count - 1].into_iter().filter(|offset| (1..count).contains(offset)) {
        let inside = FrameNumber(frame.0 + inside);
        assert_eq!(pages.free(inside, 1), Err(FreeError::InsideGrant(inside)), "of {grant:?}");
    }
    assert_eq!((pages.free_by_order(node(0)), pages.node_stats(node(0)).unwrap().free), before);
}

proptest! {
    #[test]
    fn only_who_knows_of_the_seal_frees_a_sealed_grant(
        counts in proptest::collection::vec(prop_oneof![1..70u64, Just(512), Just(1024), 500..1100u64], 1..8),
        seals in any::<u8>(),
    ) {
        let mut machine = machine();
        let pages = machine.pages();
        pages.add_free(FREE).unwrap();
        let whole = pages.free_by_order(node(0));
        let grants: Vec<_> = counts.iter().filter_map(|&count| pages.allocate(&Request::new(count, node(0))).ok()).collect();
        let is_sealed = |index: usize| seals & 1 << index != 0;
        for (index, grant) in grants.iter().enumerate().filter(|(index, _)| is_sealed(*index)) {
            pages.seal(grant.frame, grant.count).unwrap();
            prop_assert!(pages.seal(grant.frame, grant.count).is_err(), "sealed twice: {index}");
        }
        // Whatever becomes of a grant's neighbours.
        for (_, grant) in grants.iter().enumerate().filter(|(index, _)| !is_sealed(*index)) {
            prop_assert_eq!(pages.free_sealed(grant.frame, grant.count), Err(FreeError::NotSealed(grant.frame)));
            pages.free(grant.frame, grant.count).unwrap();
        }
        for (_, &grant) in grants.iter().enumerate().filter(|(index, _)| is_sealed(*index)) {
            assert_not_freed(&pages, grant);
            let Grant { frame, count, .. } = grant;
            let wrong = FreeError::WrongCount { frame, count: count + 1, granted: count };
            prop_assert_eq!(pages.free_sealed(frame, count + 1), Err(wrong));
            assert_not_freed(&pages, grant);
            prop_assert_eq!(pages.free_sealed(frame, count), Ok(()));
            prop_assert_eq!(pages.free_sealed(frame, count), Err(FreeError::AlreadyFree(frame)));
        }
        prop_assert_eq!(pages.free_by_order(node(0)), whole);
    }
}

#[test]
fn a_cache_neither_takes_a_sealed_frame_nor_stands_in_the_way_of_its_owner() {
    let mut machine = machine();
    let (pages, mut caches) = machine.pages_and_caches(&[node(0)]);
    pages.add_free(FREE).unwrap();
    let cache = &mut caches[0];
    let frame = pages.allocate_cached(cache).unwrap();
    pages.seal(frame, 1).unwrap();
    let before = cache.len();
    assert!(!cache.put(frame));
    assert!(pages.free_cached(cache, frame, 1).is_err());
    assert_eq!(cache.len(), before);
    assert_eq!(pages.free_sealed(frame, 1), Ok(()));
}

#[test]
fn what_a_cache_holds_is_not_freed_as_sealed() {
    let mut machine = machine();
    let (pages, mut caches) = machine.pages_and_caches(&[node(0)]);
    pages.add_free(FREE).unwrap();
    let cache = &mut caches[0];
    let frame = pages.allocate_cached(cache).unwrap();
    pages.free_cached(cache, frame, 1).unwrap();
    assert_eq!(pages.free_sealed(frame, 1), Err(FreeError::AlreadyFree(frame)));
    let kept = allocate(&pages, 8);
    pages.free(kept.frame, 8).unwrap();
    assert_eq!(pages.free_sealed(kept.frame, 8), Err(FreeError::AlreadyFree(kept.frame)));
}

#[test]
fn what_is_outside_memory_is_neither_sealed_nor_freed() {
    let mut machine = machine();
    let pages = machine.pages();
    let outside = FrameNumber(8192);
    assert_eq!(pages.seal(outside, 1), Err(FreeError::NotMemory(outside)));
    assert_eq!(pages.free_sealed(outside, 1), Err(FreeError::NotMemory(outside)));
    assert_eq!(pages.refused_outside(), 1, "each free that is refused is counted");
}

#[test]
fn what_a_cache_has_held_before_it_was_emptied_is_freed_as_sealed() {
    let mut machine = machine();
    let (pages, mut caches) = machine.pages_and_caches(&[node(0)]);
    pages.add_free(FREE).unwrap();
    let cache = &mut caches[0];
    for _ in 0..3 {
        let frame = pages.allocate_cached(cache).unwrap();
        pages.seal(frame, 1).unwrap();
        assert_eq!(pages.free_sealed(frame, 1), Ok(()));
        let kept = pages.allocate_cached(cache).unwrap();
        pages.free_cached(cache, kept, 1).unwrap();
        assert_eq!(pages.free_sealed(kept, 1), Err(FreeError::AlreadyFree(kept)));
        pages.drain(cache);
    }
}
