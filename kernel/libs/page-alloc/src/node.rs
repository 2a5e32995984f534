//! One node: its lock, what that guards, and the counts that others write.
use core::sync::atomic::{AtomicU64, Ordering};

use lock_api::{Mutex, RawMutex};
use units::{FrameNumber, NodeId};

use crate::error::FreeError;
use crate::node_memory::NodeMemory;
use crate::request::{Needs, Request};
use crate::span_table::{Span, SpanTable};
use crate::stats::{Counts, NodeStats};

/// A node, at the start of its own metadata. Two cache lines apart from anything else, since processors fetch lines in
/// pairs.
#[repr(align(128))]
pub struct Node<'m, L> {
    guarded: Mutex<L, Guarded<'m>>,
    id: NodeId,
    fallback: &'m [NodeId],
    total: u64,
    first_span: Option<u32>,
    foreign: Remote,
}

struct Guarded<'m> {
    memory: NodeMemory<'m>,
    counts: Counts,
}

/// A count that other nodes' CPUs write, kept off the lines that this node's need.
#[repr(align(128))]
struct Remote(AtomicU64);

impl<'m, L: RawMutex> Node<'m, L> {
    pub fn new(id: NodeId, memory: NodeMemory<'m>, fallback: &'m [NodeId], spans: &SpanTable<'_>) -> Self {
        let first_span = spans.first_of(id);
        Self {
            guarded: Mutex::new(Guarded { memory, counts: Counts::default() }),
            id,
            fallback,
            total: spans.of_node(first_span).map(|span| span.frames.len_frames()).sum(),
            first_span,
            foreign: Remote(AtomicU64::new(0)),
        }
    }

    /// The nodes to try when this one is preferred, in order.
    pub fn fallback(&self) -> &'m [NodeId] {
        self.fallback
    }

    /// Grants frames of this node.
    pub fn allocate(&self, request: &Request, needs: &Needs, spans: &SpanTable<'_>) -> Option<FrameNumber> {
        let mut guarded = self.guarded.lock();
        let Guarded { memory, counts } = &mut *guarded;
        let frame = memory.allocate(needs, spans.of_node(self.first_span))?;
        *(if request.preferred == self.id { &mut counts.hit } else { &mut counts.miss }) += needs.count;
        *(if request.cpu_node == self.id { &mut counts.local } else { &mut counts.other }) += needs.count;
        Some(FrameNumber(frame))
    }

    /// Notes that frames which were to come from here came from another node.
    pub fn count_foreign(&self, frames: u64) {
        self.foreign.0.fetch_add(frames, Ordering::Relaxed);
    }

    /// Takes a grant back that begins in this span of the node.
    pub fn free(&self, span: &Span, frame: FrameNumber, count: u64) -> Result<(), FreeError> {
        let mut guarded = self.guarded.lock();
        let result = guarded.memory.free(span.extent(), frame, count);
        guarded.counts.refused_frees += u64::from(result.is_err());
        result
    }

    /// Makes frames of this span of the node free; `false` when one of them was added before.
    pub fn add(&self, span: &Span, start: FrameNumber, end: FrameNumber) -> bool {
        self.guarded.lock().memory.add(span.extent(), start.0..end.0)
    }

    pub fn stats(&self) -> NodeStats {
        let guarded = self.guarded.lock();
        NodeStats::new(self.total, &guarded.memory, guarded.counts, self.foreign.0.load(Ordering::Relaxed))
    }

    pub fn free_by_order(&self) -> [u64; crate::ORDERS] {
        self.guarded.lock().memory.free_by_order()
    }
}
