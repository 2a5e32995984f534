//! A machine's memory for the tests: spans, and metadata for them on the host's heap, exactly as large as asked for.
#![allow(dead_code, reason = "each test binary uses its part")]
use std::alloc::Layout;
use std::mem::MaybeUninit;

use page_alloc::{CpuCache, NodeFrames, NodeSetup, PageAllocator};
use units::{FrameRange, NodeId};

pub fn node(index: usize) -> NodeId {
    NodeId::new(index).unwrap()
}

pub fn span(index: usize, start: u64, end: u64) -> NodeFrames {
    NodeFrames { node: node(index), frames: FrameRange::new(start, end) }
}

/// Memory of just this layout, for as long as the test runs.
pub fn leak(layout: Layout) -> &'static mut [MaybeUninit<u8>] {
    Box::leak(Box::new(Block::new(layout))).aligned()
}

/// Spans and fallback orders, and the memory that an allocator over them needs.
pub struct Machine {
    pub spans: Vec<NodeFrames>,
    pub fallback: Vec<Vec<NodeId>>,
    table: Block,
    metadata: Vec<Block>,
    caches: Vec<Block>,
}

/// Bytes that hold anything but zeros, and where in them the layout's alignment is met.
struct Block {
    bytes: Vec<MaybeUninit<u8>>,
    layout: Layout,
}

impl Block {
    fn new(layout: Layout) -> Self {
        Self { bytes: vec![MaybeUninit::new(0xa5); layout.size() + layout.align()], layout }
    }

    fn aligned(&mut self) -> &mut [MaybeUninit<u8>] {
        let start = self.bytes.as_ptr().align_offset(self.layout.align());
        &mut self.bytes[start..start + self.layout.size()]
    }
}

impl Machine {
    /// A node for each fallback order.
    pub fn new(spans: &[NodeFrames], fallback: &[&[usize]]) -> Self {
        let fallback = fallback.iter().map(|order| order.iter().copied().map(node).collect()).collect();
        Self::with_nodes(spans.to_vec(), fallback)
    }

    pub fn with_nodes(spans: Vec<NodeFrames>, fallback: Vec<Vec<NodeId>>) -> Self {
        let table = Block::new(PageAllocator::<spin::Mutex<()>>::table_layout(&spans).unwrap());
        let metadata = (0..fallback.len())
            .map(|index| {
                Block::new(PageAllocator::<spin::Mutex<()>>::node_layout(&spans, node(index)).unwrap())
            })
            .collect();
        Self { spans, fallback, table, metadata, caches: Vec::new() }
    }

    /// The allocator, with nothing free yet.
    pub fn pages(&mut self) -> PageAllocator<'_> {
        let nodes = self.metadata.iter_mut().zip(&self.fallback);
        let nodes = nodes.map(|(metadata, fallback)| NodeSetup { metadata: metadata.aligned(), fallback });
        PageAllocator::new(&self.spans, self.table.aligned(), nodes).unwrap()
    }

    /// The allocator, with nothing free yet, and a cache for each CPU, whose node is given.
    pub fn pages_and_caches(&mut self, cpus: &[NodeId]) -> (PageAllocator<'_>, Vec<CpuCache<'_>>) {
        let layout = PageAllocator::<spin::Mutex<()>>::cache_layout();
        self.caches = cpus.iter().map(|_| Block::new(layout)).collect();
        let nodes = self.metadata.iter_mut().zip(&self.fallback);
        let nodes = nodes.map(|(metadata, fallback)| NodeSetup { metadata: metadata.aligned(), fallback });
        let pages = PageAllocator::new(&self.spans, self.table.aligned(), nodes).unwrap();
        let memory = self.caches.iter_mut().map(Block::aligned);
        let caches = cpus.iter().zip(memory).map(|(node, memory)| pages.add_cache(*node, memory).unwrap());
        let caches = caches.collect();
        (pages, caches)
    }

    /// The allocator, with all of each span free.
    pub fn pages_all_free(&mut self) -> PageAllocator<'_> {
        let spans = self.spans.clone();
        let pages = self.pages();
        for span in spans {
            pages.add_free(span.frames).unwrap();
        }
        pages
    }
}
