//! The memory of a driver by node, counted.
use super::per_cpu_memory;
use crate::devices::dma;
use crate::memory::{driver_pages, frames, heap, page_tables};
use crate::threads::owner::Owner;
use alloc::vec::Vec;
use units::{FRAME_SIZE, FrameNumber, NodeId, VirtAddr};

/// What a driver has on a node.
#[derive(Clone, Copy, Default, Debug)]
pub struct MemoryOnNode {
    /// Pages of its image.
    pub image_pages: u64,
    /// Pages that were granted to it, and those of its memory for each CPU.
    pub pages: u64,
    /// Bytes of its heap blocks.
    pub heap_bytes: u64,
    /// Pages of its memory for DMA.
    pub dma_pages: u64,
}

impl MemoryOnNode {
    /// Returns true if it has nothing there.
    pub const fn is_empty(&self) -> bool {
        self.image_pages == 0 && self.pages == 0 && self.heap_bytes == 0 && self.dma_pages == 0
    }
}

/// Counts what a driver has on each of the machine's `nodes` nodes. While it works, each number is that of another moment. Returns no nodes
/// if there is no memory for the numbers. The caller may wait.
///
/// The pages of a driver that has any are found among those of all nodes ([`driver_pages::for_each_part`]).
pub fn of(owner: &'static Owner, nodes: usize) -> Vec<MemoryOnNode> {
    let mut all: Vec<MemoryOnNode> = Vec::new();
    if all.try_reserve_exact(nodes).is_err() {
        return all;
    }
    all.resize(nodes, MemoryOnNode::default());
    let mut add = |node: NodeId, of: fn(&mut MemoryOnNode) -> &mut u64, more: u64| {
        if let Some(there) = all.get_mut(node.index()) {
            *of(there) += more;
        }
    };
    for address in owner.image().step_by(FRAME_SIZE as usize) {
        if let Some(page) = page_tables::translate(VirtAddr(address)) {
            add(node_of(FrameNumber::containing(page)), |there| &mut there.image_pages, 1);
        }
    }
    if driver_pages::count(owner.pages()) > 0 {
        driver_pages::for_each_part(owner.pages(), &mut |node, pages| {
            add(node, |there| &mut there.pages, pages)
        });
    }
    per_cpu_memory::for_each_frame(owner, &mut |frame| add(node_of(frame), |there| &mut there.pages, 1));
    heap::for_each_part(owner.heap(), &mut |node, bytes| add(node, |there| &mut there.heap_bytes, bytes));
    dma::for_each_grant(owner, &mut |node, pages| add(node, |there| &mut there.dma_pages, pages));
    all
}

fn node_of(frame: FrameNumber) -> NodeId {
    frames::node_of(frame).unwrap_or_default()
}
