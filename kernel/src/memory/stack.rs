//! Stacks: pages of the node that will use them, above a guard page that is never mapped, so that an overflow is a fault and
//! not a corruption.
//!
//! Slots of the address space are used again, so that their page tables are, too: those are never given back.
use super::address_space::STACKS;
use super::allocate::{self, Zeroed};
use crate::arch::PageKind;
use crate::cpu::PreemptionOff;
use crate::memory::page_tables;
use crate::sync::{Rank, SpinLock};
use ::address_space::stacks::Slot;
use alloc::vec::Vec;
use arrayvec::ArrayVec;
use units::{FRAME_SIZE, FrameNumber, FrameRange, MAX_NODES, NodeId, VirtAddr};

/// Pages in a thread's stack, and the most that any has.
pub const STACK_PAGES: u64 = STACKS.pages;

/// A stack, mapped until [`Stack::free`].
#[derive(Debug)]
pub struct Stack {
    /// The first address behind the stack, 16-byte aligned: where the stack pointer starts.
    pub top: VirtAddr,
    /// What its pages lead to.
    frames: Frames,
}

#[derive(Debug)]
enum Frames {
    /// One grant, beginning with this frame.
    InOnePiece(FrameNumber),
    /// A grant for each page.
    Scattered,
}

/// A node's slots. The lock is taken before all others of memory: the list is on the heap.
struct Slots {
    /// How many were ever used.
    used: u32,
    /// Those of them that are free; has room for all.
    free: Vec<Slot>,
}

static SLOTS: [SpinLock<Slots, PreemptionOff>; MAX_NODES] =
    [const { SpinLock::new(Rank::Stacks, Slots { used: 0, free: Vec::new() }) }; MAX_NODES];

impl Slots {
    fn take(&mut self) -> Option<Slot> {
        if let Some(slot) = self.free.pop() {
            return Some(slot);
        }
        if self.used == STACKS.slots() {
            return None;
        }
        // Giving a slot back must not need memory.
        self.free.try_reserve(self.used as usize + 1).ok()?;
        self.used += 1;
        Some(Slot(self.used - 1))
    }
}

impl Stack {
    /// Maps a stack for a thread in memory of `node`, or of the nearest node that has some; `None` when there is none at all,
    /// and nothing was taken.
    pub fn allocate(node: NodeId) -> Option<Self> {
        Self::with_pages(node, STACK_PAGES)
    }

    /// The same, for a stack of so many pages, at most [`STACK_PAGES`].
    pub fn with_pages(node: NodeId, pages: u64) -> Option<Self> {
        let slot = SLOTS[node.index()].lock().take()?;
        let bottom = STACKS.bottom(node, slot);
        let frames = map_in_one_piece(bottom, pages, node).or_else(|| map_scattered(bottom, pages, node));
        if frames.is_none() {
            SLOTS[node.index()].lock().free.push(slot);
        }
        Some(Self { top: VirtAddr(bottom.0 + pages * FRAME_SIZE), frames: frames? })
    }

    /// Unmaps the stack and gives its frames and its addresses back. Waits for the other CPUs to forget it, so no spin lock
    /// may be held.
    ///
    /// # Safety
    /// No CPU runs on the stack any more, and nobody keeps an address of it.
    pub unsafe fn free(self) {
        let slot = STACKS.slot_of(VirtAddr(self.top.0 - 1));
        let (node, slot) = slot.expect("stacks are made in their windows alone");
        let bottom = STACKS.bottom(node, slot);
        let pages = (self.top.0 - bottom.0) / FRAME_SIZE;
        match self.frames {
            Frames::InOnePiece(frame) => {
                // SAFETY: the caller vouches for it.
                unsafe { page_tables::unmap(bottom, pages) };
                give_back(frame, pages);
            }
            // SAFETY: the caller vouches for it.
            Frames::Scattered => unsafe { unmap_scattered(bottom, pages) },
        }
        SLOTS[node.index()].lock().free.push(slot);
    }
}

/// Whether the address lies in the guard page under a stack.
pub fn is_guard(address: VirtAddr) -> bool {
    STACKS.is_guard(address)
}

/// The guard page under the stack that the address lies in.
pub fn guard_under(address: VirtAddr) -> Option<VirtAddr> {
    let (node, slot) = STACKS.slot_of(address)?;
    Some(VirtAddr(STACKS.bottom(node, slot).0 - FRAME_SIZE))
}

/// One grant of the node itself: the fewest steps, as long as it has such a piece.
fn map_in_one_piece(bottom: VirtAddr, pages: u64, node: NodeId) -> Option<Frames> {
    let start = allocate::allocate_for_kernel_on(node, pages, Zeroed::No)?.frame;
    if map(bottom, FrameRange::new(start.0, start.0 + pages), node).is_none() {
        give_back(start, pages);
        return None;
    }
    Some(Frames::InOnePiece(start))
}

/// Single frames, from wherever the nearest are.
fn map_scattered(bottom: VirtAddr, pages: u64, node: NodeId) -> Option<Frames> {
    for page in 0..pages {
        let grant = allocate::allocate_for_kernel(node, 1, Zeroed::No);
        let mapped = grant.and_then(|grant| {
            let frame = grant.frame;
            let range = FrameRange::new(frame.0, frame.0 + 1);
            map(VirtAddr(bottom.0 + page * FRAME_SIZE), range, node).or_else(|| {
                give_back(frame, 1);
                None
            })
        });
        if mapped.is_none() {
            // SAFETY: nobody knows of these pages yet.
            unsafe { unmap_scattered(bottom, pages) };
            return None;
        }
    }
    Some(Frames::Scattered)
}

/// # Safety
/// Nobody uses the stack.
unsafe fn unmap_scattered(bottom: VirtAddr, pages: u64) {
    let addresses = (0..pages).map(|page| VirtAddr(bottom.0 + page * FRAME_SIZE));
    let frames: ArrayVec<_, { STACK_PAGES as usize }> =
        addresses.filter_map(page_tables::translate).collect();
    // SAFETY: the caller vouches for it.
    unsafe { page_tables::unmap(bottom, pages) };
    frames.into_iter().for_each(|address| give_back(FrameNumber::containing(address), 1));
}

fn map(start: VirtAddr, frames: FrameRange, node: NodeId) -> Option<()> {
    let mut table_frames = || allocate::allocate_table_frame(node);
    // SAFETY: the frames are fresh, and the slot is the caller's alone.
    unsafe { page_tables::map(start, frames, PageKind::Data, &mut table_frames) }.ok()
}

fn give_back(frame: FrameNumber, count: u64) {
    // Refused, it is told there, and the pages are lost.
    let _ = allocate::free_for_kernel(frame, count);
}
