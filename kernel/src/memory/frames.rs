//! The machine's one page allocator, and what it knows of its nodes and frames.
//!
//! No interrupt handler allocates, so the allocator's locks leave interrupts on. Preemption is off while they are held.
use crate::cpu::PreemptionOff;
use crate::platform::numa_topology;
use page_alloc::{NodeStats, ORDERS, PageAllocator};
use spin::Once;
use units::{FrameNumber, NodeId, NodeSet};

/// The allocator's type.
pub(super) type Pages = PageAllocator<'static>;

static PAGES: Once<Pages> = Once::new();

/// Stores the machine's allocator. Called once, at boot.
pub(super) fn set(pages: Pages) -> &'static Pages {
    PAGES.call_once(|| pages)
}

/// Returns the machine's allocator.
pub(super) fn pages() -> &'static Pages {
    PAGES.get().expect("boot sets the page allocator up before anything uses it")
}

/// Returns the node of a frame, or `None` for a frame outside memory.
pub fn node_of(frame: FrameNumber) -> Option<NodeId> {
    pages().node_of(frame)
}

/// Returns the nodes that had memory at boot. The fallback orders list these nodes. A node that gets its first memory later is in
/// none of them, and policies over several nodes leave it out.
pub fn nodes_with_memory() -> NodeSet {
    static NODES: Once<NodeSet> = Once::new();
    // Each node's fallback order lists every node that has memory.
    *NODES.call_once(|| numa_topology::get().fallback(NodeId::ZERO).iter().copied().collect())
}

/// Returns the number of refused frees outside memory, which no node counts.
pub fn refused_outside() -> u64 {
    pages().refused_outside()
}

/// Returns the node's numbers; zeros if there is no such node.
pub fn node_stats(node: NodeId) -> NodeStats {
    let _off = PreemptionOff::new();
    pages().stats(node).unwrap_or_default()
}

/// Returns the number of free frames of the node in blocks of each order; zeros if there is no such node.
pub fn free_by_order(node: NodeId) -> [u64; ORDERS] {
    let _off = PreemptionOff::new();
    pages().free_by_order(node).unwrap_or_default()
}
