//! Tests that each node's heap is in the node's memory.
use super::{Outcome, ensure};
use crate::memory::{frames, heap, page_tables};
use crate::platform::numa_topology;
use core::alloc::Layout;
use units::{FrameNumber, VirtAddr};

/// Checks that, on each node that has enough memory, every page of a block from the node's heap is on the node.
pub fn come_from_their_node() -> Outcome {
    let layout = Layout::from_size_align(5 * 4096, 64).map_err(|_| "no such layout")?;
    for node in numa_topology::get().nodes() {
        if frames::node_stats(node.id).free < 64 {
            continue;
        }
        let block = heap::allocate(node.id, layout).ok_or("no block to be had")?;
        let start = block.as_ptr() as u64;
        ensure!(start.is_multiple_of(64), "a block for 64-byte alignment is at {start:#x}");
        for address in (start..start + layout.size() as u64).step_by(4096) {
            let physical =
                page_tables::translate(VirtAddr(address)).ok_or("a part of a block is not mapped")?;
            let on = frames::node_of(FrameNumber::containing(physical));
            ensure!(on == Some(node.id), "a block of node {}'s heap is on {on:?}", node.id);
        }
        // SAFETY: `allocate` has returned the block for this layout above, and nothing uses it.
        unsafe { heap::free(block, layout) };
    }
    Ok(())
}
