//! The drivers' blocks that are too large for a slab, or aligned to more than a page: pages of their own.
//!
//! A record of each block lies in the kernel's heap, where its driver cannot reach it. So a block is freed by its address alone, and
//! only by its owner.
use super::page_uses::PageUse;
use super::{allocate, frames, protection};
use crate::arch;
use crate::cpu::PreemptionOff;
use crate::sync::{Rank, SpinLock};
use ::address_space::layout::{PHYSICAL_MEMORY, PHYSICAL_MEMORY_END};
use alloc::vec::Vec;
use core::alloc::Layout;
use core::ptr::NonNull;
use intrusive_collections::rbtree::RBTree;
use intrusive_collections::{Bound, KeyAdapter, RBTreeAtomicLink, UnsafeRef, intrusive_adapter};
use node_heap::{FreeError, OwnerId};
use units::{FRAME_SIZE, FrameNumber, NodeId, PhysAddr};

/// What the kernel knows of a large block.
struct LargeBlock {
    link: RBTreeAtomicLink,
    address: usize,
    frame: FrameNumber,
    pages: u64,
    owner: OwnerId,
}

intrusive_adapter!(ByAddress = UnsafeRef<LargeBlock>: LargeBlock { link => RBTreeAtomicLink });

impl<'a> KeyAdapter<'a> for ByAddress {
    type Key = usize;

    fn get_key(&self, block: &'a LargeBlock) -> usize {
        block.address
    }
}

/// All large blocks of drivers.
static BLOCKS: SpinLock<RBTree<ByAddress>, PreemptionOff> =
    SpinLock::new(Rank::LargeBlocks, RBTree::new(ByAddress::NEW));

/// How many blocks are looked at while the lock is held once.
const LOOKS: usize = 32;

/// Allocates pages for the kernel itself, from `node` or else from the nearest node that has them. Only the layout says their number.
pub fn allocate_for_kernel(node: NodeId, layout: Layout) -> Option<NonNull<u8>> {
    let frame = allocate_pages(node, layout)?;
    NonNull::new(arch::physical_memory(frame.address()))
}

/// Allocates pages of `node` for the kernel itself as [`allocate_for_kernel`] does, if they are at hand.
#[inline(always)]
pub fn take_at_hand(node: NodeId, layout: Layout) -> Option<NonNull<u8>> {
    let frame = allocate::allocate_at_hand_for_kernel(
        PageUse::LargeBlocks,
        node,
        pages_of(layout),
        alignment_of(layout),
    )?;
    NonNull::new(arch::physical_memory(frame.address()))
}

/// Returns true if pages of a large block could lie at the address.
#[inline(always)]
pub fn may_be(block: NonNull<u8>) -> bool {
    let address = block.addr().get() as u64;
    (PHYSICAL_MEMORY.0..PHYSICAL_MEMORY_END.0).contains(&address) && address.is_multiple_of(FRAME_SIZE)
}

/// Frees pages that [`allocate_for_kernel`] has returned for this layout. A refused free is logged.
#[inline]
pub fn free_for_kernel(block: NonNull<u8>, layout: Layout) {
    let address = block.addr().get() as u64;
    if may_be(block) {
        let frame = FrameNumber::containing(PhysAddr(address - PHYSICAL_MEMORY.0));
        // If the allocator refuses the free, it logs the reason.
        let _ = allocate::free_for_kernel(PageUse::LargeBlocks, frame, pages_of(layout));
    } else {
        log::error!(target: "heap", "the kernel freed {block:p}, which is no block; refused");
    }
}

fn pages_of(layout: Layout) -> u64 {
    (layout.size() as u64).div_ceil(FRAME_SIZE).max(1)
}

/// Returns the alignment of the first page, in pages.
fn alignment_of(layout: Layout) -> u64 {
    (layout.align() as u64).div_ceil(FRAME_SIZE)
}

fn allocate_pages(node: NodeId, layout: Layout) -> Option<FrameNumber> {
    allocate::allocate_aligned_for_kernel(PageUse::LargeBlocks, node, pages_of(layout), alignment_of(layout))
}

/// Allocates a block for an owner, as [`allocate_for_kernel`] does, and records it. `None` means that nothing was allocated.
pub fn allocate(owner: OwnerId, node: NodeId, layout: Layout) -> Option<NonNull<u8>> {
    let mut record = Vec::new();
    record.try_reserve_exact(1).ok()?;
    let frame = allocate_pages(node, layout)?;
    let start = arch::physical_memory(frame.address());
    let (address, pages) = (start.addr(), pages_of(layout));
    record.push(LargeBlock { link: RBTreeAtomicLink::new(), address, frame, pages, owner });
    let record: *mut LargeBlock = record.leak().as_mut_ptr();
    // SAFETY: the record was leaked above, so it lives until `destroy`, which takes it out of the tree first.
    BLOCKS.lock().insert(unsafe { UnsafeRef::from_raw(record) });
    NonNull::new(start)
}

/// Frees a block of this owner.
///
/// # Errors
/// [`FreeError`]; nothing has changed.
pub fn free(owner: OwnerId, block: NonNull<u8>) -> Result<(), FreeError> {
    let address = block.addr().get();
    let record = {
        let mut blocks = BLOCKS.lock();
        let mut found = blocks.find_mut(&address);
        match found.get() {
            None => return Err(FreeError::NotInHeap(address)),
            Some(block) if block.owner != owner => return Err(FreeError::OtherOwner(address)),
            Some(_) => found.remove(),
        }
    };
    record.map(destroy).ok_or(FreeError::NotInHeap(address))
}

/// Frees all large blocks of an owner that uses none of them any more. Returns how many there were.
pub fn take_back_all(owner: OwnerId) -> usize {
    let mut count = 0;
    let mut next = Some(0);
    while let Some(from) = next {
        let (found, then) = remove_from(owner, from);
        if let Some(record) = found {
            destroy(record);
            count += 1;
        }
        next = then;
    }
    count
}

/// Returns how many bytes the pages of an owner's large blocks have.
pub fn bytes_of(owner: OwnerId) -> u64 {
    let mut sum = 0;
    for_each_of(owner, &mut |_, bytes| sum += bytes);
    sum
}

/// Calls `each` with the node and the bytes of each of an owner's large blocks. It is called with preemption off.
pub fn for_each_of(owner: OwnerId, each: &mut dyn FnMut(NodeId, u64)) {
    let mut next = Some(0);
    while let Some(from) = next {
        let blocks = BLOCKS.lock();
        let mut cursor = blocks.lower_bound(Bound::Included(&from));
        for _ in 0..LOOKS {
            let Some(block) = cursor.get() else { break };
            if block.owner == owner {
                each(frames::node_of(block.frame).unwrap_or_default(), block.pages * FRAME_SIZE);
            }
            cursor.move_next();
        }
        next = cursor.get().map(|block| block.address);
    }
}

/// Looks at some blocks from an address on, and removes the first one of this owner from the tree. Also returns where to go on, if there
/// are more blocks.
fn remove_from(owner: OwnerId, from: usize) -> (Option<UnsafeRef<LargeBlock>>, Option<usize>) {
    let mut blocks = BLOCKS.lock();
    let mut cursor = blocks.lower_bound_mut(Bound::Included(&from));
    for _ in 0..LOOKS {
        match cursor.get() {
            None => return (None, None),
            Some(block) if block.owner == owner => {
                let address = block.address;
                return (cursor.remove(), Some(address));
            }
            Some(_) => cursor.move_next(),
        }
    }
    (None, cursor.get().map(|block| block.address))
}

/// Frees the pages of a block, and its record, which is in no tree any more.
fn destroy(record: UnsafeRef<LargeBlock>) {
    let (frame, pages) = (record.frame, record.pages);
    if protection::is_on() {
        protection::take_frames(frame, pages);
    }
    let record = UnsafeRef::into_raw(record);
    // SAFETY: `allocate` has leaked the record from a vector of this capacity, and nothing refers to it any more.
    drop(unsafe { Vec::from_raw_parts(record, 1, 1) });
    // The pages were allocated for the kernel, so the free is not refused.
    let _ = allocate::free_for_kernel(PageUse::LargeBlocks, frame, pages);
}
