//! The descriptors of a node's 2 MiB blocks, and the frame maps of those that are split.
use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use core::num::NonZeroU32;

use crate::MAX_ORDER;
use crate::frame_map::{BLOCK_FRAMES, FrameMap};
use crate::owner::PageOwner;

/// The order of a whole block.
pub const BLOCK_ORDER: u8 = 9;

/// Returns the number of the frame's block: the frame's number divided by the frames in a block.
pub const fn block_of(frame: u64) -> u64 {
    frame >> BLOCK_ORDER
}

/// Returns the frame's offset in its block.
pub const fn offset_in_block(frame: u64) -> u16 {
    (frame % BLOCK_FRAMES as u64) as u16
}

/// A block's slot among its node's descriptors. Stored as slot + 1, so that an `Option` of it takes 4 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BlockIndex(NonZeroU32);

impl BlockIndex {
    /// Returns the index of this slot. A node has fewer than 2^32 - 1 blocks.
    pub fn new(slot: usize) -> Self {
        Self(NonZeroU32::MIN.saturating_add(slot as u32))
    }

    /// Returns the slot.
    pub fn slot(self) -> usize {
        self.0.get() as usize - 1
    }
}

/// A block's neighbours in its list.
#[derive(Clone, Copy, Debug, Default)]
pub struct Link {
    pub next: Option<BlockIndex>,
    pub prev: Option<BlockIndex>,
}

/// The state of a block, without its frame map.
#[derive(Clone, Copy, Debug)]
pub enum Block {
    /// The block belongs to a free run that starts in an earlier block, or no frame of it was added, or all of it is offline.
    Quiet,
    /// The first block of a free run of 2^(`order` - 9) blocks, aligned to its size.
    Free { order: u8, number: u32, link: Link },
    /// The frame map holds the frames' states.
    Split { free: u16, largest: Largest, number: u32, link: Link },
    /// The whole block is granted, and the grant starts here.
    Head(PageOwner),
    /// The whole block is granted, the grant starts here, and the kernel owns it.
    KernelHead,
    /// The whole block is granted, and the grant starts in an earlier block.
    Inside,
}

/// The order of a split block's largest free chunk, and whether the block is a cache's refill block. The order has no meaning
/// if no frame is free.
#[derive(Clone, Copy, Debug, Default)]
pub struct Largest(u8);

impl Largest {
    const REFILLS_CACHE: u8 = 1 << 7;

    /// Returns the order.
    #[inline]
    pub fn order(self) -> u8 {
        self.0 & !Self::REFILLS_CACHE
    }

    /// Returns true if a cache is refilled from the block.
    pub fn refills_cache(self) -> bool {
        self.0 & Self::REFILLS_CACHE != 0
    }

    fn set_order(&mut self, order: u8) {
        self.0 = self.0 & Self::REFILLS_CACHE | order;
    }

    fn set_refills_cache(&mut self, refills: bool) {
        self.0 = self.order() | if refills { Self::REFILLS_CACHE } else { 0 };
    }
}

const _: () = assert!(size_of::<Block>() == 16 && size_of::<FrameMap>() == 640);

impl Block {
    /// Returns the list of the block: that of its largest free order.
    pub fn list(self) -> Option<u8> {
        match self {
            Self::Free { order, .. } => Some(order),
            Self::Split { free: 1.., largest, .. } => Some(largest.order()),
            _ => None,
        }
    }

    /// Returns the block's number, if the descriptor stores it.
    pub fn number(self) -> Option<u64> {
        match self {
            Self::Free { number, .. } | Self::Split { number, .. } => Some(number.into()),
            _ => None,
        }
    }
}

/// Memory for a block's frame map.
pub struct MapSlot(UnsafeCell<MaybeUninit<FrameMap>>);

// SAFETY: only `Blocks::split` writes the cell, under the node's lock: before there is a reference to the map, or else with atomic
// stores.
unsafe impl Sync for MapSlot {}

/// A node's blocks.
///
/// A frame map is initialised when its block is split for the first time, and stays initialised: only [`Blocks::split`] makes
/// a block `Split`. From then on the map can be read without the lock. While the block is not split, its map says that all
/// frames are free or reserved.
pub struct Blocks<'m> {
    descriptors: &'m mut [Block],
    maps: &'m [MapSlot],
    /// For each 64 blocks, whose maps are initialised.
    initialised: &'m mut [u64],
}

/// Returns the number of words with a bit for each of so many blocks.
pub const fn words_for(blocks: usize) -> usize {
    blocks.div_ceil(64)
}

impl<'m> Blocks<'m> {
    /// Returns blocks over these descriptors, none of which is `Split`, as many slots for maps, and [`words_for`] them that are 0.
    pub fn new(
        descriptors: &'m mut [Block],
        maps: &'m mut [MaybeUninit<MapSlot>],
        initialised: &'m mut [u64],
    ) -> Self {
        debug_assert!(descriptors.len() == maps.len() && initialised.len() == words_for(maps.len()));
        descriptors.iter().for_each(|block| debug_assert!(matches!(block, Block::Quiet)));
        // SAFETY: a slot is a cell around a `MaybeUninit`, for which any bytes are valid.
        Self { descriptors, maps: unsafe { maps.assume_init_ref() }, initialised }
    }

    /// Returns a block's descriptor.
    #[inline]
    pub fn get(&self, slot: usize) -> Block {
        self.descriptors[slot]
    }

    /// Returns the number of free frames of a split block, and 0 for any other.
    pub fn free_in(&self, slot: usize) -> u16 {
        match self.descriptors[slot] {
            Block::Split { free, .. } => free,
            _ => 0,
        }
    }

    /// Makes the block `Quiet`.
    #[inline]
    pub fn set_quiet(&mut self, slot: usize) {
        self.descriptors[slot] = Block::Quiet;
    }

    /// Makes the block one that is granted, with the grant's start, whose owner this is, or `None` for a later part.
    #[inline]
    pub fn set_granted(&mut self, slot: usize, starts_grant_of: Option<PageOwner>) {
        self.descriptors[slot] = starts_grant_of.map_or(Block::Inside, Block::Head);
    }

    /// Makes the grant of whole blocks that starts with this block kernel-owned, or undoes that. Returns false, with nothing
    /// changed, if no grant in the other state starts here.
    pub fn set_kernel_owned(&mut self, slot: usize, owned: bool) -> bool {
        let to = match (self.descriptors[slot], owned) {
            (Block::Head(_), true) => Block::KernelHead,
            (Block::KernelHead, false) => Block::Head(PageOwner::NOBODY),
            _ => return false,
        };
        self.descriptors[slot] = to;
        true
    }

    /// Makes the block the first of a free run. It is on no list yet.
    pub fn set_free(&mut self, slot: usize, number: u64, order: u8) {
        debug_assert!((BLOCK_ORDER..=MAX_ORDER).contains(&order));
        self.descriptors[slot] = Block::Free { order, number: number as u32, link: Link::default() };
    }

    /// Makes a whole block a split one all of whose frames are free in its map, or reserved. The block is on no list and has no free
    /// frames until [`Blocks::set_split`] sets them.
    pub fn split(&mut self, slot: usize, number: u64, free: bool) {
        let memory = self.maps[slot].0.get();
        let (word, bit) = (&mut self.initialised[slot / 64], 1 << (slot % 64));
        if *word & bit == 0 {
            *word |= bit;
            // SAFETY: the slot lives for 'm, and only the holder of the node's lock, which this is, has reached it so far.
            unsafe { (*memory).write(const { FrameMap::all_reserved() }) };
        }
        // SAFETY: the map is initialised, now or when its block was split before.
        unsafe { (*memory).assume_init_ref() }.set_all(free);
        let largest = Largest::default();
        self.descriptors[slot] =
            Block::Split { free: 0, largest, number: number as u32, link: Link::default() };
    }

    /// Splits the block if it is whole. Returns how many of its frames are free.
    #[inline]
    pub fn split_if_whole(&mut self, slot: usize, number: u64) -> u16 {
        if let Block::Split { free, .. } = self.descriptors[slot] {
            return free;
        }
        self.split(slot, number, true);
        BLOCK_FRAMES
    }

    /// Sets the free frames and the largest free order of a split block. Has no effect on another block.
    pub fn set_split(&mut self, slot: usize, now_free: u16, order: u8) {
        debug_assert!(now_free < BLOCK_FRAMES);
        if let Block::Split { free, largest, .. } = &mut self.descriptors[slot] {
            *free = now_free;
            largest.set_order(order);
        }
    }

    /// Sets whether a split block is a cache's refill block. Has no effect on another block.
    pub fn set_refills_cache(&mut self, slot: usize, refills: bool) {
        if let Block::Split { largest, .. } = &mut self.descriptors[slot] {
            largest.set_refills_cache(refills);
        }
    }

    /// Returns the frame map of a split block.
    #[inline]
    pub fn map(&self, slot: usize) -> Option<&'m FrameMap> {
        let Block::Split { .. } = self.descriptors[slot] else { return None };
        let memory = self.maps[slot].0.get().cast::<FrameMap>();
        // SAFETY: the block is `Split`. Only `split` makes it that, after it has written the map, and maps stay initialised.
        Some(unsafe { &*memory })
    }

    /// Returns the list links of a block, if it is of a kind that is kept in lists.
    pub fn link_mut(&mut self, index: BlockIndex) -> Option<&mut Link> {
        match &mut self.descriptors[index.slot()] {
            Block::Free { link, .. } | Block::Split { link, .. } => Some(link),
            _ => None,
        }
    }
}
