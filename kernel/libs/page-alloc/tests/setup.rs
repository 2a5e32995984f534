//! What an allocator can be built from, and what is refused.
mod machine;

use std::cell::Cell;
use std::mem::MaybeUninit;

use lock_api::RawMutex;
use machine::{node, span};
use page_alloc::{CpuCache, NodeFrames, NodeSetup, PageAllocator, Request, SetupError};
use units::{FrameNumber, MAX_NODES, NodeId};

type Pages = PageAllocator<'static>;

fn leak(bytes: usize) -> &'static mut [MaybeUninit<u8>] {
    Box::leak(vec![MaybeUninit::uninit(); bytes].into_boxed_slice())
}

fn build(spans: &[NodeFrames], nodes: usize, table: usize, metadata: usize) -> Result<Pages, SetupError> {
    let nodes = (0..nodes).map(|_| NodeSetup { metadata: leak(metadata), fallback: &[NodeId::ZERO] });
    Pages::new(spans, leak(table), nodes)
}

const SPACE: usize = 1 << 16;

#[test]
fn what_does_not_fit_together_is_named() {
    let spans = [span(0, 0, 100), span(1, 100, 200)];
    assert!(build(&spans, 2, SPACE, SPACE).is_ok());
    assert_eq!(build(&spans, 1, SPACE, SPACE).err(), Some(SetupError::NoSuchNode(node(1))));
    assert_eq!(build(&spans, 0, SPACE, SPACE).err(), Some(SetupError::NoSuchNode(node(0))));
    assert_eq!(build(&spans, 2, 100, SPACE).err(), Some(SetupError::TableTooSmall));
    assert_eq!(build(&spans, 2, SPACE, 500).err(), Some(SetupError::MetadataTooSmall(node(0))));
    assert_eq!(build(&spans, MAX_NODES + 1, SPACE, SPACE).err(), Some(SetupError::TooManyNodes));
    let overlapping = [span(0, 0, 100), span(1, 99, 200)];
    assert_eq!(build(&overlapping, 2, SPACE, SPACE).err(), Some(SetupError::NotAscending(FrameNumber(99))));
    assert_eq!(Pages::node_layout(&overlapping, node(0)), Err(SetupError::NotAscending(FrameNumber(99))));
    let endless = [span(0, 0, u64::MAX)];
    assert_eq!(Pages::table_layout(&endless), Err(SetupError::TooHigh(FrameNumber(0))));
}

#[test]
fn a_fallback_order_that_names_no_node_is_refused() {
    let nodes = [NodeSetup { metadata: leak(SPACE), fallback: Box::leak(Box::new([node(0), node(7)])) }];
    let built = Pages::new(&[span(0, 0, 100)], leak(SPACE), nodes);
    assert_eq!(built.err(), Some(SetupError::NoSuchNode(node(7))));
}

#[test]
fn as_many_nodes_as_there_can_be_each_have_their_memory() {
    let spans: Vec<_> =
        (0..MAX_NODES).map(|index| span(index, index as u64 * 999, index as u64 * 999 + 999)).collect();
    let pages: &'static Pages = Box::leak(Box::new(build(&spans, MAX_NODES, SPACE, SPACE).unwrap()));
    let cpu = CpuCache::detached();
    cpu.attach(pages, node(0));
    for span in spans {
        pages.add(span.frames).unwrap();
        let strict = Request { strict: true, ..Request::new(700, span.node) };
        let grant = cpu.allocate(&strict, |_| ()).unwrap();
        assert_eq!(pages.node_of(grant.frame), Some(span.node));
    }
}

#[test]
fn an_allocator_can_be_a_static_that_all_cpus_share() {
    fn shared<T: Sync + Send + 'static>() {}
    shared::<Pages>();
}

thread_local! {
    static LOCKED: Cell<(u32, u32)> = const { Cell::new((0, 0)) };
}

/// A caller's own lock: counts how often it was taken and how many are held at once.
struct CountingLock(spin::Mutex<()>);

// SAFETY: each method calls the spin lock's, which excludes.
unsafe impl RawMutex for CountingLock {
    #[allow(clippy::declare_interior_mutable_const, reason = "the trait requires it")]
    const INIT: Self = Self(spin::Mutex::new(()));
    type GuardMarker = lock_api::GuardSend;

    fn lock(&self) {
        let (taken, held) = LOCKED.get();
        assert_eq!(held, 0, "a second lock while one is held");
        LOCKED.set((taken + 1, held + 1));
        RawMutex::lock(&self.0);
    }

    fn try_lock(&self) -> bool {
        unimplemented!("the allocator always waits")
    }

    unsafe fn unlock(&self) {
        let (taken, held) = LOCKED.get();
        LOCKED.set((taken, held - 1));
        // SAFETY: `unlock` requires that the caller holds this lock, and then it holds the spin lock.
        unsafe { RawMutex::unlock(&self.0) }
    }
}

#[test]
fn the_caller_s_own_lock_is_taken_once_a_node_asked_and_never_two_at_once() {
    let spans = [span(0, 0, 1024), span(1, 1024, 2048)];
    let both: &[NodeId] = Box::leak(Box::new([node(0), node(1)]));
    let nodes = [both, both].map(|fallback| NodeSetup { metadata: leak(SPACE), fallback });
    let pages = PageAllocator::<CountingLock>::new(&spans, leak(SPACE), nodes).unwrap();
    let pages: &'static PageAllocator<'static, CountingLock> = Box::leak(Box::new(pages));
    let cpu = CpuCache::detached();
    cpu.attach(pages, node(0));
    let grant = Cell::new(None);
    assert_eq!(locks_taken(|| assert_eq!(pages.add(spans[1].frames), Ok(1024))), 1);
    let allocate = || grant.set(cpu.allocate(&Request::local(3), |_| ()).ok());
    assert_eq!(locks_taken(allocate), 2);
    let grant = grant.get().unwrap();
    assert_eq!(locks_taken(|| assert_eq!(pages.node_of(grant.frame), Some(node(1)))), 0);
    // Once to remember the grant's block.
    assert_eq!(locks_taken(|| cpu.free(grant.frame, grant.count).unwrap()), 2);
    let again = cpu.allocate(&Request::local(3), |_| ()).unwrap();
    assert_eq!(locks_taken(|| cpu.free(again.frame, again.count).unwrap()), 1);
}

fn locks_taken(call: impl FnOnce()) -> u32 {
    let before = LOCKED.get().0;
    call();
    LOCKED.get().0 - before
}
