//! Returning what the heaps do not need to the page allocator.
use super::heap_drain;
use super::heap_nodes::{self, Node};
use super::heap_windows::HeapFrames;
use crate::cpu::{self, MayWait};
use core::sync::atomic::{AtomicUsize, Ordering};
use node_heap::NodeHeaps;
use units::NodeId;

/// How many threads are returning frames: they hold some that are in no heap and not free yet.
static TRIMS: AtomicUsize = AtomicUsize::new(0);

/// Returns the frames that no heap needs to the page allocator. Waits for the other CPUs, so its caller holds no spin lock and has
/// preemption on.
pub fn trim() {
    for (index, node) in heap_nodes::heaps().iter().enumerate() {
        node.break_up_magazines();
        trim_node(index, node);
    }
}

/// Returns the spare frames of one node to the page allocator, and how many there were.
fn trim_node(index: usize, node: &Node) -> u32 {
    TRIMS.fetch_add(1, Ordering::AcqRel);
    let gone = node.trim(index, &HeapFrames, 0);
    TRIMS.fetch_sub(1, Ordering::AcqRel);
    gone
}

/// Returns frames of one node, or of all, to the page allocator, which has none for a request. Returns true if there were any. Where the
/// running thread may not wait, there are none.
pub fn reclaim(node: Option<NodeId>) -> bool {
    let has_spare = |node: NodeId| heap_nodes::made()?.node(node.index()).filter(|heap| heap.spare() > 0);
    match node {
        Some(node) if has_spare(node).is_none() => false,
        _ => reclaim_spare(node),
    }
}

#[cold]
#[inline(never)]
fn reclaim_spare(node: Option<NodeId>) -> bool {
    if MayWait::now().is_none() {
        return false;
    }
    let heaps = heap_nodes::made().into_iter().flat_map(NodeHeaps::iter).enumerate();
    let meant = heaps.filter(|(index, _)| node.is_none_or(|node| node.index() == *index));
    meant.fold(0, |gone, (index, heap)| gone + trim_node(index, heap)) > 0
}

/// Has all CPUs drain their magazines, then trims: afterwards the heaps have only frames with blocks in use. Waits for the other CPUs, so
/// its caller holds no spin lock and has preemption on.
pub fn settle() {
    heap_drain::drain_all();
    trim();
    // Another thread may be returning frames that it has taken before.
    while TRIMS.load(Ordering::Acquire) > 0 {
        cpu::serve_requests();
        core::hint::spin_loop();
    }
}
