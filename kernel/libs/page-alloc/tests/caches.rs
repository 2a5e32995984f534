//! What a CPU's cache must not be seen to do.
mod machine;

use machine::{Machine, node, span};
use page_alloc::{CACHE_FRAMES, FreeError};
use units::FrameRange;

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
    assert_eq!(cache.len(), CACHE_FRAMES / 2 + 1);
}
