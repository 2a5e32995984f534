//! What others do while a CPU waits for a node's lock.
mod machine;

use std::cell::RefCell;

use lock_api::RawMutex;
use machine::{leak, node, span};
use page_alloc::{CACHE_FRAMES, CpuCache, FreeError, NodeSetup, PageAllocator, Request};
use units::{FrameNumber, FrameRange};

thread_local! {
    /// What happens before the lock is acquired next.
    static MEANWHILE: RefCell<Option<Box<dyn FnOnce()>>> = const { RefCell::new(None) };
}

/// A lock that makes its next holder wait for [`MEANWHILE`].
struct Contended(spin::Mutex<()>);

// SAFETY: each method calls the spin lock's, which excludes.
unsafe impl RawMutex for Contended {
    #[allow(clippy::declare_interior_mutable_const, reason = "the trait requires it")]
    const INIT: Self = Self(spin::Mutex::new(()));
    type GuardMarker = lock_api::GuardSend;

    fn lock(&self) {
        let meanwhile = MEANWHILE.with_borrow_mut(Option::take);
        if let Some(meanwhile) = meanwhile {
            meanwhile();
        }
        RawMutex::lock(&self.0);
    }

    fn try_lock(&self) -> bool {
        RawMutex::try_lock(&self.0)
    }

    unsafe fn unlock(&self) {
        // SAFETY: `unlock` requires that the caller holds this lock, and then it holds the spin lock.
        unsafe { RawMutex::unlock(&self.0) }
    }
}

type Pages = PageAllocator<'static, Contended>;

#[test]
fn a_wrong_free_that_waits_for_the_lock_takes_nothing_out_of_a_grant_that_was_made_meanwhile() {
    let spans = [span(0, 0, 4096)];
    let fallback = Box::leak(Box::new([node(0)]));
    let metadata = leak(Pages::node_layout(&spans, node(0)).unwrap());
    let table = leak(Pages::table_layout(&spans).unwrap());
    let nodes = [NodeSetup { metadata, fallback }];
    let pages: &'static Pages = Box::leak(Box::new(Pages::new(&spans, table, nodes).unwrap()));
    pages.add(FrameRange::new(512, 4096)).unwrap();
    let cpu = pages.cache_for(node(0), leak(Pages::cache_layout())).unwrap();
    let other = CpuCache::detached();
    other.attach(pages, node(0));

    // The cache is full, and remembers the block of two more neighbours, which have another owner.
    let take = || cpu.allocate(&Request::page(), |_| ()).unwrap().frame;
    let frames: Vec<_> = (0..2 * CACHE_FRAMES).map(|_| take()).collect();
    cpu.drain();
    let odd = FrameNumber(frames[2 * CACHE_FRAMES - 4].0 | 1);
    let even = FrameNumber(odd.0 - 1);
    for frame in frames.iter().filter(|frame| ![even, odd].contains(frame)).take(CACHE_FRAMES) {
        cpu.free(*frame, 1).unwrap();
    }
    assert_eq!(cpu.len(), CACHE_FRAMES);

    MEANWHILE.set(Some(Box::new(move || {
        // Their owner frees them, and they are granted together.
        other.free(even, 1).unwrap();
        other.free(odd, 1).unwrap();
        while other.allocate(&Request::local(2), |_| ()).unwrap().frame != even {}
    })));
    assert_eq!(cpu.free(odd, 1), Err(FreeError::InsideGrant(odd)));
    cpu.free(even, 2).unwrap();
}
