//! Memory that leaves and comes back after boot.
mod machine;

use machine::{Machine, node, span};
use page_alloc::{AddError, CACHE_FRAMES, FreeError, RemoveError, Request};
use units::{FrameNumber, FrameRange};

#[test]
fn removed_frames_are_granted_to_nobody_until_they_are_added_again() {
    let mut machine = Machine::new(&[span(0, 0, 8192)], &[&[0]]);
    let pages = machine.pages();
    pages.add_free(FrameRange::new(1024, 8192)).unwrap();
    let whole = pages.free_by_order(node(0));
    let removed = FrameRange::new(1500, 6700);

    assert_eq!(pages.remove_free(removed), Ok(5200));
    let stats = pages.node_stats(node(0)).unwrap();
    assert_eq!((stats.total, stats.managed, stats.free), (8192, 7168 - 5200, 7168 - 5200));
    while let Ok(grant) = pages.allocate(&Request::new(1, node(0))) {
        assert!(!removed.contains(grant.frame));
    }
    assert_eq!(pages.free(FrameNumber(1500), 1), Err(FreeError::NeverAdded(FrameNumber(1500))));
    assert_eq!(pages.node_of(FrameNumber(1500)), Some(node(0)));

    assert_eq!(pages.add_free(removed), Ok(5200));
    assert_eq!(pages.add_free(removed), Err(AddError::AlreadyAdded(removed.start)));
    for frame in (1024..8192).map(FrameNumber).filter(|frame| !removed.contains(*frame)) {
        pages.free(frame, 1).unwrap();
    }
    assert_eq!(pages.free_by_order(node(0)), whole);
}

#[test]
fn a_frame_in_use_refuses_all_of_a_range_over_two_nodes() {
    let mut machine = Machine::new(&[span(0, 0, 2048), span(1, 2048, 4096)], &[&[0], &[1]]);
    let pages = machine.pages_all_free();
    let grant = pages.allocate(&Request::new(8, node(1))).unwrap();
    let before = (pages.node_stats(node(0)), pages.free_by_order(node(0)), pages.free_by_order(node(1)));

    assert_eq!(pages.remove_free(FrameRange::new(1000, 4096)), Err(RemoveError::InUse(grant.frame)));
    assert_eq!(pages.remove_free(FrameRange::new(0, 5000)), Err(RemoveError::InUse(grant.frame)));
    pages.free(grant.frame, 8).unwrap();
    assert_eq!(pages.remove_free(FrameRange::new(0, 5000)), Err(RemoveError::NotMemory(FrameNumber(4096))));
    let grant = pages.allocate(&Request::new(8, node(1))).unwrap();
    assert_eq!(
        before,
        (pages.node_stats(node(0)), pages.free_by_order(node(0)), pages.free_by_order(node(1)))
    );

    pages.free(grant.frame, 8).unwrap();
    assert_eq!(pages.remove_free(FrameRange::new(0, 4096)), Ok(4095));
    assert_eq!(
        pages.remove_free(FrameRange::new(0, 1)),
        Ok(0),
        "frame 0 is never the allocator's, and passed over"
    );
    assert_eq!(
        pages.remove_free(FrameRange::new(7, 9)),
        Err(RemoveError::NeverAdded(FrameNumber(7))),
        "they are gone already"
    );
}

#[test]
fn cached_frames_are_in_the_way_until_drained_and_then_forgotten() {
    let mut machine = Machine::new(&[span(0, 0, 1024)], &[&[0]]);
    let (pages, mut caches) = machine.pages_and_caches(&[node(0)]);
    let all = FrameRange::new(512, 1024);
    pages.add_free(all).unwrap();
    let cache = &mut caches[0];
    let frames: Vec<_> = (0..CACHE_FRAMES).map(|_| pages.allocate_cached(cache).unwrap()).collect();
    frames.iter().for_each(|frame| pages.free_cached(cache, *frame, 1).unwrap());
    let lowest = *frames.iter().min().unwrap();

    assert_eq!(pages.remove_free(all), Err(RemoveError::Cached(lowest)));
    pages.drain(cache);
    assert_eq!(pages.remove_free(all), Ok(512));
    assert_eq!(pages.free_cached(cache, lowest, 1), Err(FreeError::NeverAdded(lowest)));
    assert_eq!(pages.add_free(all), Ok(512));
    assert_eq!(pages.free_cached(cache, lowest, 1), Err(FreeError::AlreadyFree(lowest)));
}
