//! What a CPU's cache must not be seen to do.
mod machine;

use std::collections::BTreeSet;

use machine::{Machine, node, span};
use page_alloc::{CACHE_FRAMES, CpuCache, FreeError, NotCached, Request};
use units::{FrameNumber, FrameRange};

#[test]
fn a_free_that_is_refused_leaves_a_full_cache_as_it_was() {
    let mut machine = Machine::new(&[span(0, 0, 4096)], &[&[0]]);
    let (pages, mut caches) = machine.pages_and_caches(&[node(0)]);
    pages.add_free(FrameRange::new(512, 4096)).unwrap();
    let cache = &mut caches[0];
    let frames: Vec<_> = (0..=CACHE_FRAMES).map(|_| pages.allocate_cached(cache).unwrap()).collect();
    pages.drain(cache);
    let (last, others) = frames.split_last().unwrap();
    others.iter().for_each(|frame| pages.free_cached(cache, *frame, 1).unwrap());
    assert_eq!(cache.len(), CACHE_FRAMES);
    let before = pages.free_by_order(node(0));

    assert_eq!(pages.free_cached(cache, others[0], 1), Err(FreeError::AlreadyFree(others[0])));
    assert_eq!((cache.len(), pages.free_by_order(node(0))), (CACHE_FRAMES, before));

    pages.free_cached(cache, *last, 1).unwrap();
    assert_eq!(cache.len(), CACHE_FRAMES / 4 + 1);
}

#[test]
fn a_cache_of_no_node_leaves_all_to_the_nodes() {
    let mut machine = Machine::new(&[span(0, 0, 1024)], &[&[0]]);
    let pages = machine.pages_all_free();
    let mut none = CpuCache::none();
    assert_eq!(pages.allocate_cached(&mut none), None);
    let frame = pages.allocate(&Request::new(1, node(0))).unwrap().frame;
    pages.free_cached(&mut none, frame, 1).unwrap();
    assert_eq!(pages.free_cached(&mut none, frame, 1), Err(FreeError::AlreadyFree(frame)));
    pages.drain(&mut none);
    assert_eq!((none.node(), none.len()), (None, 0));
    assert_eq!(pages.node_stats(node(0)).unwrap().free, 1023);
}

#[test]
fn what_was_freed_last_is_handed_out_first_wherever_the_ring_begins() {
    let mut machine = Machine::new(&[span(0, 0, 4096)], &[&[0]]);
    let (pages, mut caches) = machine.pages_and_caches(&[node(0)]);
    pages.add_free(FrameRange::new(512, 4096)).unwrap();
    let cache = &mut caches[0];
    let frames: Vec<_> = (0..5 * CACHE_FRAMES).map(|_| pages.allocate_cached(cache).unwrap()).collect();
    pages.drain(cache);
    for frame in &frames {
        pages.free_cached(cache, *frame, 1).unwrap();
        assert_eq!(pages.allocate_cached(cache), Some(*frame));
        pages.free_cached(cache, *frame, 1).unwrap();
    }
    let kept = cache.len();
    let again: Vec<_> = (0..kept).map(|_| cache.take().unwrap()).collect();
    assert!(again.iter().eq(frames.iter().rev().take(kept)), "{again:?}");
    assert_eq!(cache.take(), None);
}

#[test]
fn each_cache_of_a_node_has_a_block_of_its_own_to_be_filled_from_until_it_is_drained() {
    let mut machine = Machine::new(&[span(0, 0, 6144)], &[&[0]]);
    let (pages, mut caches) = machine.pages_and_caches(&[node(0); 8]);
    pages.add_free(FrameRange::new(512, 6144)).unwrap();
    let (last, others) = caches.split_last_mut().unwrap();
    let block_of_next = |cache: &mut _| pages.allocate_cached(cache).unwrap().0 / 512;
    let own: Vec<_> = others.iter_mut().map(block_of_next).collect();
    assert_eq!(own.iter().collect::<BTreeSet<_>>().len(), others.len());
    // A block has 512 frames.
    for _ in 1..512 {
        assert!(others.iter_mut().map(block_of_next).eq(own.iter().copied()));
    }
    let next = block_of_next(&mut others[0]);
    assert!(!own.contains(&next));
    pages.drain(&mut others[0]);
    assert_eq!(block_of_next(last), next);
}

#[test]
fn a_cache_is_filled_with_twice_as_many_each_time_up_to_half_until_it_is_drained() {
    let mut machine = Machine::new(&[span(0, 0, 4096)], &[&[0]]);
    let (pages, mut caches) = machine.pages_and_caches(&[node(0)]);
    pages.add_free(FrameRange::new(512, 4096)).unwrap();
    let cache = &mut caches[0];
    for at_once in [64, 128, 256] {
        assert!(pages.allocate_cached(cache).is_some());
        assert_eq!(cache.len() + 1, at_once);
        while cache.take().is_some() {}
    }
    // Empty as it is.
    pages.drain(cache);
    assert!(pages.allocate_cached(cache).is_some());
    assert_eq!(cache.len() + 1, 64);
    while cache.take().is_some() {}
    assert!(pages.allocate_cached(cache).is_some());
    assert_eq!(cache.len() + 1, 128);
    pages.drain(cache);
    assert!(pages.allocate_cached(cache).is_some());
    assert_eq!(cache.len() + 1, 63, "those of a word, one of which is granted");
}

#[test]
fn a_word_s_last_frame_is_put_by_its_block_and_a_grant_s_first_is_not() {
    let mut machine = Machine::new(&[span(0, 0, 4096)], &[&[0]]);
    let (pages, mut caches) = machine.pages_and_caches(&[node(0)]);
    pages.add_free(FrameRange::new(512, 1024)).unwrap();
    let cache = &mut caches[0];
    // As many as a cache is filled with at once.
    let first = pages.allocate_cached(cache).unwrap();
    let frames: Vec<_> = (0..cache.len()).map(|_| cache.take().unwrap()).collect();
    let (last, two) = (frames[frames.len() - 1], pages.allocate(&Request::new(2, node(0))).unwrap());
    assert_eq!((first, last.0 % 64, two.frame.0), (FrameNumber(512), 63, last.0 + 1));
    assert!(!cache.put(last));
    assert_eq!(
        pages.free_cached(cache, two.frame, 1),
        Err(FreeError::WrongCount { frame: two.frame, count: 1, granted: 2 })
    );
    pages.free_cached(cache, last, 1).unwrap();
    assert_eq!(cache.len(), 1);
    assert_eq!(pages.free_cached(cache, last, 1), Err(FreeError::AlreadyFree(last)));
}

#[test]
fn a_cache_without_a_frame_tells_whether_another_of_its_node_has_some() {
    let mut machine = Machine::new(&[span(0, 0, 1024)], &[&[0]]);
    let (pages, mut caches) = machine.pages_and_caches(&[node(0), node(0)]);
    pages.add_free(FrameRange::new(512, 514)).unwrap();
    let [first, second] = &mut caches[..] else { unreachable!() };
    let taken = pages.allocate_cached_or_tell(first).unwrap();
    assert_eq!(pages.allocate_cached_or_tell(second), Err(NotCached::AskNode));
    let last = pages.allocate_cached_or_tell(first).unwrap();
    assert_eq!(pages.allocate_cached_or_tell(second), Err(NotCached::NodeIsEmpty));
    assert_eq!(pages.allocate_cached_or_tell(&mut CpuCache::none()), Err(NotCached::AskNode));
    for frame in [taken, last] {
        pages.free_cached(second, frame, 1).unwrap();
    }
    assert!(pages.allocate_cached_or_tell(second).is_ok());
}

#[test]
fn a_chunk_that_was_just_freed_is_granted_again_also_at_the_end_of_its_word_or_block() {
    let mut machine = Machine::new(&[span(0, 0, 4096)], &[&[0]]);
    let (pages, mut caches) = machine.pages_and_caches(&[node(0)]);
    pages.add_free(FrameRange::new(512, 2048)).unwrap();
    let cache = &mut caches[0];
    for order in 0..6 {
        let count = 1 << order;
        let request = Request::new(count, node(0));
        let grants: Vec<_> = (0..512 / count).map(|_| pages.allocate(&request).unwrap().frame).collect();
        let mut held = Vec::new();
        for frame in grants.into_iter().rev() {
            pages.free_cached(cache, frame, count).unwrap();
            assert!(!pages.free_kept(cache, frame, count), "a double free of {count} at {frame:?}");
            let kept = pages.allocate_kept(node(0), count, true);
            // The state of a chunk at its block's end cannot be told from the block: it is made free instead.
            if count > 1 {
                let ends_block = (frame.0 + count) % 512 == 0;
                assert_eq!(kept, (!ends_block).then_some(frame), "{count} frames");
            }
            let again = kept.or_else(|| if count == 1 { cache.take() } else { None });
            let again = again.unwrap_or_else(|| pages.allocate(&request).unwrap().frame);
            assert_eq!(again, frame, "{count} frames");
            // The chunk behind must not be taken for a part of it, nor it for a part of a longer grant.
            assert!(!pages.free_kept(cache, frame, 2 * count));
            held.push(frame);
        }
        for frame in held {
            pages.free_cached(cache, frame, count).unwrap();
        }
        pages.drain(cache);
    }
}
