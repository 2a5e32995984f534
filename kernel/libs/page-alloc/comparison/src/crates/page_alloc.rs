//! `page-alloc`: one node, and a cache for each thread, as a kernel has one for each CPU.
use std::alloc::Layout;
use std::mem::MaybeUninit;
use std::sync::Arc;

use page_alloc::{CpuCache, NodeFrames, NodeSetup, PageAllocator, Request};
use units::{FrameNumber, FrameRange, NodeId};

use crate::frame_allocator::{Abilities, Crate, FrameAllocator};

/// The crate.
pub struct PageAlloc;

type Pages<'m> = PageAllocator<'m>;

const NODE: NodeId = NodeId::ZERO;
/// Caches that memory is taken for: threads that a workload may have.
const CACHES: usize = 2;

/// What the allocator is built in.
pub struct Metadata {
    spans: [NodeFrames; 1],
    table: Bytes,
    node: Bytes,
    caches: [Bytes; CACHES],
}

/// Bytes, and where in them a layout's alignment is met.
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
}

/// A thread's view.
pub struct Cached<'m> {
    pages: Arc<Pages<'m>>,
    cache: CpuCache<'m>,
}

impl Cached<'_> {
    #[cold]
    #[inline(never)]
    fn fill_and_allocate(&mut self) -> Option<u64> {
        let filled = self.pages.allocate_cached(&mut self.cache);
        filled.map(|frame| frame.0).or_else(|| self.allocate_uncached(0))
    }

    #[inline(never)]
    fn allocate_uncached(&mut self, order: u8) -> Option<u64> {
        let Self { pages, cache } = self;
        let drain = |_, _| {
            let helps = !cache.is_empty();
            pages.drain(cache);
            helps
        };
        pages.allocate_or(&Request::new(1 << order, NODE), drain).ok().map(|grant| grant.frame.0)
    }

    #[cold]
    #[inline(never)]
    fn look_up_and_free(&mut self, frame: u64) -> bool {
        self.pages.free_cached(&mut self.cache, FrameNumber(frame), 1).is_ok()
    }
}

impl FrameAllocator for Cached<'_> {
    #[inline(always)]
    fn allocate(&mut self, order: u8) -> Option<u64> {
        if order != 0 {
            return self.allocate_uncached(order);
        }
        match self.cache.take() {
            Some(frame) => Some(frame.0),
            None => self.fill_and_allocate(),
        }
    }

    #[inline(always)]
    fn free(&mut self, frame: u64, order: u8) -> bool {
        if order != 0 {
            return self.pages.free(FrameNumber(frame), 1 << order).is_ok();
        }
        if self.cache.put(FrameNumber(frame)) { true } else { self.look_up_and_free(frame) }
    }

    fn drain(&mut self) {
        self.pages.drain(&mut self.cache);
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
            table: Bytes::new(Pages::table_layout(&spans).expect("one span")),
            node: Bytes::new(Pages::node_layout(&spans, NODE).expect("one span")),
            caches: std::array::from_fn(|_| Bytes::new(Pages::cache_layout())),
        }
    }

    fn alone(memory: &mut Metadata) -> Cached<'_> {
        Self::threads(memory, 1).pop().expect("one thread")
    }

    fn threads(memory: &mut Metadata, count: usize) -> Vec<Cached<'_>> {
        let Metadata { spans, table, node, caches } = memory;
        let setup = NodeSetup { metadata: node.aligned(), fallback: &[NODE] };
        let pages = Arc::new(Pages::new(spans, table.aligned(), [setup]).expect("metadata as asked for"));
        pages.add_free(spans[0].frames).expect("frames that were never added");
        let caches = caches[..count].iter_mut().map(Bytes::aligned);
        let caches = caches.map(|memory| pages.add_cache(NODE, memory).expect("memory as asked for"));
        caches.map(|cache| Cached { pages: Arc::clone(&pages), cache }).collect()
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
