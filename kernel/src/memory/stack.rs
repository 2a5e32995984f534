//! Stacks: pages of the node that will use them, above a page that is never mapped, so that an overflow is a fault and not a
//! corruption.
use super::address_space::STACKS;
use super::page_allocator::{self, Zeroed};
use crate::arch::{self, Kind};
use core::sync::atomic::{AtomicU64, Ordering};
use units::{FRAME_SIZE, NodeId, VirtAddr};

/// Pages in a stack.
pub const STACK_PAGES: u64 = 16;

static NEXT: AtomicU64 = AtomicU64::new(STACKS.0);

/// A stack that was mapped; it stays for good.
#[derive(Clone, Copy, Debug)]
pub struct Stack {
    /// The first address behind the stack, 16-byte aligned: where the stack pointer starts.
    pub top: VirtAddr,
}

impl Stack {
    /// Maps a stack in memory of `node`, or of the nearest node that has some; `None` when there is none at all.
    pub fn allocate(node: NodeId) -> Option<Self> {
        let guard = NEXT.fetch_add((STACK_PAGES + 1) * FRAME_SIZE, Ordering::Relaxed);
        let bottom = guard + FRAME_SIZE;
        for page in 0..STACK_PAGES {
            let frame = page_allocator::allocate_for_kernel(node, 1, Zeroed::No)?.frame;
            let mut table_frames = || page_allocator::allocate_table_frame(node);
            // SAFETY: the frame is fresh, and the page belongs to this stack alone.
            unsafe { arch::map(VirtAddr(bottom + page * FRAME_SIZE), frame, Kind::Data, &mut table_frames) }
                .ok()?;
        }
        Some(Self { top: VirtAddr(bottom + STACK_PAGES * FRAME_SIZE) })
    }

    /// temporary
    pub fn free(self) {
        let bottom = self.top.0 - STACK_PAGES * FRAME_SIZE;
        for page in 0..STACK_PAGES {
            // SAFETY: temporary
            if let Some(frame) = unsafe { arch::unmap(VirtAddr(bottom + page * FRAME_SIZE)) } {
                let _ = page_allocator::free(frame, 1);
            }
        }
    }
}
