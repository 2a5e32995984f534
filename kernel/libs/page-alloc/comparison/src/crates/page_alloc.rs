//! `page-alloc`: one node, and a cache for each thread, as a kernel has one for each CPU.
use std::alloc::Layout;
use std::mem::MaybeUninit;

use page_alloc::{CpuCache, NodeFrames, NodeSetup, PageAllocator, PageOwner, Request};
use units::{FrameNumber, FrameRange, NodeId};

use crate::frame_allocator::{Abilities, Crate, FrameAllocator};

/// The crate.
pub struct PageAlloc;

type Pages<'m> = PageAllocator<'m>;

const NODE: NodeId = NodeId::ZERO;
/// The number of threads that a workload may have, each with a cache.
const CACHES: usize = 2;

/// The allocator's memory.
pub struct Metadata {
    spans: [NodeFrames; 1],
    pages: Bytes,
    table: Bytes,
    node: Bytes,
    caches: [Bytes; CACHES],
}

/// Bytes that contain memory of this layout.
struct Bytes {
    bytes: Vec<MaybeUninit<u8>>,
    layout: Layout,
}

impl Bytes {
    fn new(layout: Layout) -> Self {
        Self { bytes: vec![MaybeUninit::uninit(); layout.size() + layout.align()], layout }
    }

    fn aligned(&mut self) -> &mut [MaybeUninit<u8>] {
        let start = self.bytes.as_ptr().align_offset(self.layout.align());
        &mut self.bytes[start..start + self.layout.size()]
    }

    /// Moves a value into the bytes, which have its layout. It is never dropped.
    fn put<T>(&mut self, value: T) -> &mut T {
        assert!(Layout::new::<T>() == self.layout);
        let memory: *mut MaybeUninit<T> = self.aligned().as_mut_ptr().cast();
        // SAFETY: the bytes are borrowed exclusively, and as large and as aligned as the value. Any bytes are valid for
        // `MaybeUninit`.
        unsafe { (*memory).write(value) }
    }
}

/// A thread's view.
pub struct Cached<'m>(CpuCache<'m>);

impl Cached<'_> {
    #[inline(never)]
    fn allocate_any(&mut self, order: u8) -> Option<u64> {
        self.0.allocate(&Request::local(1 << order), |_| ()).ok().map(|grant| grant.frame.0)
    }

    #[inline(never)]
    fn free_any(&mut self, frame: u64, order: u8) -> bool {
        self.0.free(FrameNumber(frame), 1 << order).is_ok()
    }
}

impl FrameAllocator for Cached<'_> {
    #[inline(always)]
    fn allocate(&mut self, order: u8) -> Option<u64> {
        if order == 0
            && let Some(grant) = self.0.take_at_hand(1, self.0.node(), PageOwner::NOBODY)
        {
            return Some(grant.frame.0);
        }
        self.allocate_any(order)
    }

    #[inline(always)]
    fn free(&mut self, frame: u64, order: u8) -> bool {
        (order == 0 && self.0.put_at_hand(FrameNumber(frame), 1, PageOwner::NOBODY))
            || self.free_any(frame, order)
    }

    fn drain(&mut self) {
        self.0.drain();
    }
}

impl Crate for PageAlloc {
    const NAME: &'static str = "page-alloc";
    const VERSION: &'static str = "this one";

    type Memory = Metadata;
    type Alone<'m> = Cached<'m>;
    type Thread<'m> = Cached<'m>;

    fn memory(frames: u64) -> Metadata {
        let spans = [NodeFrames { node: NODE, frames: FrameRange::new(0, frames) }];
        Metadata {
            spans,
            pages: Bytes::new(Layout::new::<Pages<'static>>()),
            table: Bytes::new(Pages::table_layout(&spans).expect("one span")),
            node: Bytes::new(Pages::node_layout(&spans, NODE).expect("one span")),
            caches: std::array::from_fn(|_| Bytes::new(Pages::cache_layout())),
        }
    }

    fn alone(memory: &mut Metadata) -> Cached<'_> {
        Self::threads(memory, 1).pop().expect("one thread")
    }

    fn threads(memory: &mut Metadata, count: usize) -> Vec<Cached<'_>> {
        let Metadata { spans, pages, table, node, caches } = memory;
        let setup = NodeSetup { metadata: node.aligned(), fallback: &[NODE] };
        let built = Pages::new(spans, table.aligned(), [setup]).expect("metadata as large as its layout");
        let pages: &Pages<'_> = pages.put(built);
        pages.add(spans[0].frames).expect("frames that were never added");
        let caches = caches[..count].iter_mut().map(Bytes::aligned);
        caches
            .map(|memory| Cached(pages.cache_for(NODE, memory).expect("memory as large as its layout")))
            .collect()
    }

    const ABILITIES: Abilities = Abilities {
        refuses: "all: double, part of a grant, wrong count, not memory",
        nodes: "yes",
        runs: "any count and alignment",
        highest_address: "any",
        threads: "caches without a lock, a lock for each node",
        metadata: "the caller's memory, any place",
    };
}
