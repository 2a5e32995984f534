//! A machine's memory for the tests: spans, and metadata for them on the host's heap, exactly as large as the layouts say.
#![allow(dead_code, reason = "each test binary uses its part")]
use std::alloc::Layout;
use std::mem::MaybeUninit;

use page_alloc::{AllocateError, CpuCache, Grant, NodeFrames, NodeSetup, PageAllocator, PageOwner, Request};
use units::{FrameNumber, FrameRange, NodeId};

pub fn node(index: usize) -> NodeId {
    NodeId::new(index).unwrap()
}

pub fn span(index: usize, start: u64, end: u64) -> NodeFrames {
    NodeFrames { node: node(index), frames: FrameRange::new(start, end) }
}

/// Returns memory of just this layout, for as long as the test runs.
pub fn leak(layout: Layout) -> &'static mut [MaybeUninit<u8>] {
    Box::leak(Box::new(Block::new(layout))).aligned()
}

/// Spans, fallback orders and the memory that an allocator over them needs.
pub struct Machine {
    pub spans: Vec<NodeFrames>,
    pub fallback: Vec<Vec<NodeId>>,
    table: Block,
    metadata: Vec<Block>,
    caches: Vec<Block>,
}

/// Bytes, none of them 0, that contain memory of this layout.
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
    /// Returns a machine with a node for each fallback order.
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

    /// Returns the allocator, with nothing free yet.
    pub fn pages(&mut self) -> PageAllocator<'_> {
        let nodes = self.metadata.iter_mut().zip(&self.fallback);
        let nodes = nodes.map(|(metadata, fallback)| NodeSetup { metadata: metadata.aligned(), fallback });
        PageAllocator::new(&self.spans, self.table.aligned(), nodes).unwrap()
    }

    /// Returns the allocator, with nothing free yet, and memory for so many caches.
    pub fn pages_and_memory(&mut self, caches: usize) -> (PageAllocator<'_>, Vec<&mut [MaybeUninit<u8>]>) {
        let layout = PageAllocator::<spin::Mutex<()>>::cache_layout();
        self.caches = (0..caches).map(|_| Block::new(layout)).collect();
        let nodes = self.metadata.iter_mut().zip(&self.fallback);
        let nodes = nodes.map(|(metadata, fallback)| NodeSetup { metadata: metadata.aligned(), fallback });
        let pages = PageAllocator::new(&self.spans, self.table.aligned(), nodes).unwrap();
        (pages, self.caches.iter_mut().map(Block::aligned).collect())
    }

    /// Returns the allocator, with all of each span free.
    pub fn pages_all_free(&mut self) -> PageAllocator<'_> {
        let spans = self.spans.clone();
        let pages = self.pages();
        for span in spans {
            pages.add(span.frames).unwrap();
        }
        pages
    }
}

/// Builds a CPU with a cache for each of these nodes.
pub fn cpus<'m>(
    pages: &'m PageAllocator<'m>,
    nodes: &[NodeId],
    memory: Vec<&'m mut [MaybeUninit<u8>]>,
) -> Vec<CpuCache<'m>> {
    assert_eq!(nodes.len(), memory.len());
    nodes.iter().zip(memory).map(|(node, memory)| pages.cache_for(*node, memory).unwrap()).collect()
}

/// Returns a CPU of the node that has no cache.
pub fn uncached<'m>(pages: &'m PageAllocator<'m>, index: usize) -> CpuCache<'m> {
    let cpu = CpuCache::detached();
    cpu.attach(pages, node(index));
    cpu
}

/// Allocates while the other CPUs keep their caches.
pub fn allocate(cpu: &CpuCache<'_>, request: &Request) -> Result<Grant, AllocateError> {
    cpu.allocate(request, |_| ())
}

/// Allocates a frame of the CPU's node, or none.
pub fn take(cpu: &CpuCache<'_>) -> Option<FrameNumber> {
    take_for(cpu, PageOwner::NOBODY)
}

/// Allocates a frame of the CPU's node for the owner, or none.
pub fn take_for(cpu: &CpuCache<'_>, owner: PageOwner) -> Option<FrameNumber> {
    let request = Request { strict: true, owner, ..Request::page() };
    allocate(cpu, &request).ok().map(|grant| grant.frame)
}
