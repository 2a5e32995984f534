//! Stacks, in memory of the node that uses them. Under each stack is a guard area, which is never mapped, so that an overflow
//! faults instead of writing to other memory.
//!
//! A stack occupies a slot of its node's window of the address space. Slots are used again, and with them their page tables,
//! which are never freed.
use super::allocate::{self, Zeroed};
use super::frame_chain::FrameChain;
use super::page_tables;
use super::page_uses::{self, PageUse};
use super::protection;
use super::stack_reserve;
use crate::arch::PageKind;
use crate::cpu::PreemptionOff;
use crate::sync::{Rank, SpinLock};
use ::address_space::layout::STACKS;
use ::address_space::stacks::Slot;
use alloc::vec::Vec;
use arrayvec::ArrayVec;
use protection_keys::Key;
use units::{FRAME_SIZE, FrameNumber, FrameRange, MAX_NODES, NodeId, VirtAddr};

/// Pages in a thread's stack. No stack has more.
pub const STACK_PAGES: u64 = STACKS.pages;

/// The most page tables that a stack may need: two on each of the two lowest levels, if it lies on both sides of a boundary, and
/// one above them.
const MOST_TABLES: u64 = 5;

/// A stack. It stays mapped until [`Stack::free`].
#[derive(Debug)]
pub struct Stack {
    /// The end of the stack, aligned to 16 bytes: the initial stack pointer.
    pub top: VirtAddr,
    frames: Frames,
}

/// How the frames of a stack were allocated.
#[derive(Debug)]
enum Frames {
    /// By one grant, which starts with this frame.
    Contiguous(FrameNumber),
    /// By one grant for each page.
    Scattered,
}

/// The slots of one node. The list is on the heap, but nothing is allocated or freed under the lock.
struct Slots {
    /// How many slots were ever used.
    used: u32,
    /// Those of them that are free. The list has room for all of them.
    free: Vec<Slot>,
}

static SLOTS: [SpinLock<Slots, PreemptionOff>; MAX_NODES] =
    [const { SpinLock::new(Rank::Stacks, Slots { used: 0, free: Vec::new() }) }; MAX_NODES];

impl Slots {
    /// Takes a slot, unless the list has no room for a further one.
    fn take(&mut self) -> Result<Option<Slot>, NoRoom> {
        if let Some(slot) = self.free.pop() {
            return Ok(Some(slot));
        }
        if self.used == STACKS.slots() {
            return Ok(None);
        }
        // Freeing a slot must not need memory.
        if self.free.capacity() <= self.used as usize {
            return Err(NoRoom(self.used as usize + 1));
        }
        self.used += 1;
        Ok(Some(Slot(self.used - 1)))
    }

    /// Gives the list the room of `larger`, an empty list, unless it has as much. Returns the list that is not used any more.
    fn move_to(&mut self, mut larger: Vec<Slot>) -> Vec<Slot> {
        if larger.capacity() <= self.free.capacity() {
            return larger;
        }
        larger.append(&mut self.free);
        core::mem::replace(&mut self.free, larger)
    }
}

/// The list of free slots needs room for this many.
struct NoRoom(usize);

/// Takes a free slot of the node. `None` means that there is none, or no memory for the list of free ones. The heap may grow, so that
/// is asked without the list's lock.
fn take_slot(node: NodeId) -> Option<Slot> {
    let slots = &SLOTS[node.index()];
    loop {
        let NoRoom(wanted) = match slots.lock().take() {
            Ok(slot) => return slot,
            Err(no_room) => no_room,
        };
        let mut larger = Vec::new();
        larger.try_reserve_exact(wanted.next_power_of_two().max(16)).ok()?;
        let unused = slots.lock().move_to(larger);
        drop(unused);
    }
}

impl Stack {
    /// Allocates and maps a thread's stack in memory of `node`, or of the nearest node with free memory. `None` means that there
    /// is not enough memory at all; then nothing was allocated.
    pub fn allocate(node: NodeId) -> Option<Self> {
        Self::with_pages(node, STACK_PAGES)
    }

    /// Allocates and maps a stack of `pages` pages, at most [`STACK_PAGES`], as [`Stack::allocate`] does.
    pub fn with_pages(node: NodeId, pages: u64) -> Option<Self> {
        let slot = take_slot(node)?;
        let bottom = STACKS.bottom(node, slot);
        // SAFETY: `take_slot` has just removed the slot from the free ones, so nothing else uses it.
        let frames =
            unsafe { map_contiguous(bottom, pages, node).or_else(|| map_scattered(bottom, pages, node)) };
        if frames.is_none() {
            SLOTS[node.index()].lock().free.push(slot);
        }
        Some(Self { top: VirtAddr(bottom.0 + pages * FRAME_SIZE), frames: frames? })
    }

    /// Gives the stack's pages a key, if keys protect memory: who may write pages with this key may write the stack.
    #[inline]
    pub fn set_key(&self, key: Key) {
        if protection::is_on() {
            let slot = STACKS.slot_of(VirtAddr(self.top.0 - 1));
            let (node, slot) = slot.expect("every stack is in a slot");
            let bottom = STACKS.bottom(node, slot);
            protection::set_key(bottom, (self.top.0 - bottom.0) / FRAME_SIZE, key);
        }
    }

    /// Unmaps the stack, and frees its frames and its slot. The function waits until all CPUs have flushed the translations, so
    /// its caller holds no spin lock.
    ///
    /// # Safety
    /// No CPU runs on the stack, and nothing uses an address of it.
    pub unsafe fn free(self) {
        let slot = STACKS.slot_of(VirtAddr(self.top.0 - 1));
        let (node, slot) = slot.expect("every stack is in a slot");
        let bottom = STACKS.bottom(node, slot);
        let pages = (self.top.0 - bottom.0) / FRAME_SIZE;
        // SAFETY: by `# Safety` nothing uses the stack.
        unsafe { stack_reserve::take_back(bottom) };
        match self.frames {
            Frames::Contiguous(frame) => {
                // SAFETY: by `# Safety` nothing uses the stack.
                unsafe { page_tables::unmap(bottom, pages) };
                free_frames(frame, pages);
            }
            // SAFETY: by `# Safety` nothing uses the stack.
            Frames::Scattered => unsafe { unmap_scattered(bottom, pages) },
        }
        SLOTS[node.index()].lock().free.push(slot);
    }
}

/// Maps a stack to contiguous frames of `node`, if the node has them. Such a stack takes the fewest steps.
///
/// # Safety
/// The pages are a slot's, and nothing else uses the slot.
unsafe fn map_contiguous(bottom: VirtAddr, pages: u64, node: NodeId) -> Option<Frames> {
    let first = allocate::allocate_for_kernel_on(PageUse::Stacks, node, pages, Zeroed::No)?.frame;
    let frames = FrameRange::new(first.0, first.0 + pages);
    // SAFETY: the lines above have allocated the frames; the rest is `# Safety`.
    let mapped = unsafe { page_tables::map(bottom, frames, PageKind::Data, node) };
    if mapped.is_err() {
        free_frames(first, pages);
    }
    mapped.ok().map(|()| Frames::Contiguous(first))
}

/// Maps a stack to single frames of `node`, or of the nearest nodes with free frames.
///
/// # Safety
/// The pages are a slot's, and nothing else uses the slot.
unsafe fn map_scattered(bottom: VirtAddr, pages: u64, node: NodeId) -> Option<Frames> {
    // All frames come first. If one is missing, no page was mapped, and no frame has become a page table, which stays one.
    let mut frames = FrameChain::allocate_near(node, pages + MOST_TABLES)?;
    for page in 0..pages {
        // SAFETY: the page is one of those of `# Safety`.
        let mapped = unsafe { map_one(VirtAddr(bottom.0 + page * FRAME_SIZE), &mut frames) };
        if mapped.is_none() {
            // SAFETY: by `# Safety` nothing else uses the pages.
            unsafe { unmap_scattered(bottom, pages) };
            return None;
        }
    }
    Some(Frames::Scattered)
}

/// Maps one page of a stack to a frame of the chain, which the page's tables come from, too.
///
/// # Safety
/// The page is a slot's, and nothing else uses the slot.
unsafe fn map_one(page: VirtAddr, frames: &mut FrameChain) -> Option<()> {
    let frame = frames.pop()?;
    page_uses::note_change(PageUse::Tables, PageUse::Stacks, 1);
    let range = FrameRange::new(frame.0, frame.0 + 1);
    // SAFETY: the frame came from the chain; the rest is `# Safety`.
    let mapped = unsafe { page_tables::map_with(page, range, PageKind::Data, frames) };
    if mapped.is_err() {
        free_frames(frame, 1);
    }
    mapped.ok()
}

/// Unmaps the pages of a stack that are mapped, and frees their frames, each of which is a grant.
///
/// # Safety
/// Nothing uses the stack.
unsafe fn unmap_scattered(bottom: VirtAddr, pages: u64) {
    let addresses = (0..pages).map(|page| VirtAddr(bottom.0 + page * FRAME_SIZE));
    let frames: ArrayVec<_, { STACK_PAGES as usize }> =
        addresses.filter_map(page_tables::translate).collect();
    // SAFETY: by `# Safety` nothing uses the stack.
    unsafe { page_tables::unmap(bottom, pages) };
    frames.into_iter().for_each(|address| free_frames(FrameNumber::containing(address), 1));
}

fn free_frames(first: FrameNumber, count: u64) {
    // If the allocator refuses the free, it logs the reason and the pages leak.
    let _ = allocate::free_for_kernel(PageUse::Stacks, first, count);
}
