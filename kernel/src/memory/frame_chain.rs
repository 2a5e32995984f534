//! Frames that are allocated before they are needed. They are linked through their own memory, so their number has no limit.
use super::allocate::{self, Zeroed};
use super::page_uses::PageUse;
use crate::arch;
use page_alloc::Grant;
use units::{FrameNumber, NodeId};

/// Kernel-owned frames, each of which is a grant. Those that are left when the chain is dropped are freed.
pub struct FrameChain {
    first: Option<FrameNumber>,
}

impl FrameChain {
    /// A chain without frames.
    pub const EMPTY: Self = Self { first: None };

    /// Allocates `count` frames of `node`. `None` means that the node does not have that many; then none is allocated.
    pub fn allocate_on(node: NodeId, count: u64) -> Option<Self> {
        Self::from_grants(count, || allocate::allocate_for_kernel_on(PageUse::Tables, node, 1, Zeroed::No))
    }

    /// Allocates `count` frames of `node`, or of the nearest nodes that have some. `None` means that there are not that many; then
    /// none is allocated.
    pub fn allocate_near(node: NodeId, count: u64) -> Option<Self> {
        Self::from_grants(count, || allocate::allocate_for_kernel(PageUse::Tables, node, 1, Zeroed::No))
    }

    /// Links `count` frames of `allocate`, which returns kernel-owned grants of one frame.
    fn from_grants(count: u64, mut allocate: impl FnMut() -> Option<Grant>) -> Option<Self> {
        let mut chain = Self { first: None };
        for _ in 0..count {
            let frame = allocate()?.frame;
            // SAFETY: the line above has allocated the frame, which is memory, all of which is mapped there.
            unsafe { link_in(frame).write(chain.first) };
            chain.first = Some(frame);
        }
        Some(chain)
    }

    /// Takes a frame out of the chain. `None` means that the chain is empty.
    pub fn pop(&mut self) -> Option<FrameNumber> {
        let frame = self.first?;
        // SAFETY: `from_grants` has written the link, and the frame was in the chain until the next line, so nothing else uses it.
        self.first = unsafe { link_in(frame).read() };
        Some(frame)
    }
}

impl Drop for FrameChain {
    fn drop(&mut self) {
        while let Some(frame) = self.pop() {
            // The frame was granted as one frame to the kernel, so the free is not refused.
            let _ = allocate::free_for_kernel(PageUse::Tables, frame, 1);
        }
    }
}

/// Returns where a frame of a chain holds the next one.
fn link_in(frame: FrameNumber) -> *mut Option<FrameNumber> {
    arch::physical_memory(frame.address()).cast()
}
