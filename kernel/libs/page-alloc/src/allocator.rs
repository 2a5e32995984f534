//! The allocator over all nodes: setup, memory and reports. Frames are granted and freed by a CPU's [`CpuCache`](crate::CpuCache).
use core::alloc::Layout;
use core::mem::MaybeUninit;
use core::sync::atomic::Ordering;

use lock_api::{Mutex, RawMutex};
use units::{FrameNumber, FrameRange, MAX_NODES, NodeId};

use crate::atomic::AtomicU64;
use crate::error::{AddError, FreeError, SetupError};
use crate::node::Node;
use crate::setup::{self, NodeSetup};
use crate::span_index::SpanIndex;
use crate::span_table::{Span, SpanTable};
use crate::spans::NodeFrames;
use crate::{NodeStats, ORDERS};

/// The frames of all nodes.
///
/// `L` is the kind of lock, one for each node. A call holds it for a bounded time and never holds two, except
/// [`PageAllocator::add_memory`], which holds a lock of its own and within it the node's. Code that interrupts the holder on the
/// same CPU must not call the allocator, unless `L` keeps interrupts off while it is held. The default, a spin lock, does not.
pub struct PageAllocator<'m, L = spin::Mutex<()>> {
    nodes: [Option<&'m Node<'m, L>>; MAX_NODES],
    pub(crate) spans: SpanIndex<'m>,
    /// Held while memory is added.
    pub(crate) growing: Mutex<L, ()>,
    refused_outside: AtomicU64,
}

impl<'m, L: RawMutex> PageAllocator<'m, L> {
    /// Returns the layout of the memory that [`PageAllocator::new`] needs for its table of these spans.
    ///
    /// # Errors
    /// The spans are not ascending or too high.
    pub fn table_layout(spans: &[NodeFrames]) -> Result<Layout, SetupError> {
        setup::table_layout(spans)
    }

    /// Returns the layout of the memory that [`PageAllocator::new`] needs for this node: 656 bytes for each 2 MiB block that the
    /// node's spans touch, and some 640 bytes besides, also for a node without memory.
    ///
    /// # Errors
    /// The spans are not ascending or too high.
    pub fn node_layout(spans: &[NodeFrames], node: NodeId) -> Result<Layout, SetupError> {
        setup::node_layout::<L>(spans, node)
    }

    /// Builds an allocator over these spans, nothing of which is free yet.
    ///
    /// `spans` ascend and do not overlap. Touching ones of one node are joined. The k-th of `nodes` is node k. No frame is touched.
    /// A few instructions are spent on each 2 MiB block.
    ///
    /// # Errors
    /// See [`SetupError`].
    pub fn new(
        spans: &[NodeFrames],
        table: &'m mut [MaybeUninit<u8>],
        nodes: impl IntoIterator<Item = NodeSetup<'m>>,
    ) -> Result<Self, SetupError> {
        let table = SpanTable::new(spans, table)?;
        let mut built = [None; MAX_NODES];
        for (index, setup) in nodes.into_iter().enumerate() {
            let id = NodeId::new(index).ok_or(SetupError::TooManyNodes)?;
            built[index] = Some(setup::build_node(id, setup, spans, &table)?);
        }
        let named = built.iter().flatten().flat_map(|node: &&Node<'m, L>| node.fallback()).copied();
        let unknown = named
            .chain(table.spans().iter().map(|span| span.node))
            .find(|node| built[node.index()].is_none());
        match unknown {
            Some(node) => Err(SetupError::NoSuchNode(node)),
            None => Ok(Self {
                nodes: built,
                spans: SpanIndex::new(table),
                growing: Mutex::new(()),
                refused_outside: AtomicU64::new(0),
            }),
        }
    }

    /// Makes frames free and returns their number. Frame 0, which is never granted, is skipped. The range may contain parts of
    /// several spans, but no frame outside of them.
    ///
    /// This is quick if a node's ranges are added in ascending order: it looks at the blocks at the edges, and takes a step for each
    /// aligned run of blocks between them. Below what was added before, it looks at each block.
    ///
    /// The first frame of a kernel-owned grant looks like one that was never added: two bits a frame cannot tell them apart. A
    /// caller that brings [isolated](PageAllocator::isolate) memory back names exactly that memory. A kernel-owned frame that is
    /// added is granted a second time.
    ///
    /// # Errors
    /// See [`AddError`]. The frames before the one that it names were added.
    pub fn add(&self, range: FrameRange) -> Result<u64, AddError> {
        let mut next = range.start.max(FrameNumber(1));
        let mut added = 0;
        while next < range.end {
            let span = self.spans.find(next.0).ok_or(AddError::NotMemory(next))?;
            let end = range.end.min(span.frames.end);
            let node = self.node(span.node).ok_or(AddError::NotMemory(next))?;
            if !node.add(span, next, end) {
                return Err(AddError::AlreadyAdded(next));
            }
            added += end.0 - next.0;
            next = end;
        }
        Ok(added)
    }

    /// Returns the node whose memory contains the frame, whether the frame is free, granted or was in use at boot.
    pub fn node_of(&self, frame: FrameNumber) -> Option<NodeId> {
        self.spans.find(frame.0).map(|span| span.node)
    }

    /// Returns the node's numbers, or `None` if there is no such node.
    pub fn stats(&self, node: NodeId) -> Option<NodeStats> {
        self.node(node).map(Node::stats)
    }

    /// Returns the node's free frames by order: each frame counts for the largest free chunk that contains it.
    ///
    /// For reports: the node is locked while each of its blocks with free frames is looked at.
    pub fn free_by_order(&self, node: NodeId) -> Option<[u64; ORDERS]> {
        self.node(node).map(Node::free_by_order)
    }

    /// Returns the number of frees that were refused with [`FreeError::NotMemory`], which no node counts.
    pub fn refused_outside(&self) -> u64 {
        self.refused_outside.load(Ordering::Relaxed)
    }

    /// Returns the frame's span and node for a free. Counts a refusal if there is none.
    pub(crate) fn span_to_free(&self, frame: FrameNumber) -> Result<(&'m Span, &'m Node<'m, L>), FreeError> {
        let found = self.spans.find(frame.0).and_then(|span| Some((span, self.node(span.node)?)));
        found.ok_or_else(|| {
            self.refused_outside.fetch_add(1, Ordering::Relaxed);
            FreeError::NotMemory(frame)
        })
    }

    /// Returns the node with this id.
    #[inline]
    pub(crate) fn node(&self, id: NodeId) -> Option<&'m Node<'m, L>> {
        // Every index is below that: the remainder saves a comparison.
        self.nodes[id.index() % MAX_NODES]
    }
}
