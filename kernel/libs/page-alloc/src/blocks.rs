//! The descriptors of a node's 2 MiB blocks, and the frame maps of those that are split.
use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use core::num::NonZeroU32;

use crate::MAX_ORDER;
use crate::frame_map::{BLOCK_FRAMES, FrameMap};

/// The order of a whole block.
pub const BLOCK_ORDER: u8 = 9;

/// The number of the block that holds the frame: the frame's number divided by the frames in a block.
pub const fn block_of(frame: u64) -> u64 {
    frame >> BLOCK_ORDER
}

/// The frame's place in its block.
pub const fn offset_in_block(frame: u64) -> u16 {
    (frame % BLOCK_FRAMES as u64) as u16
}

/// A block's place among its node's descriptors. Never 0, so that an `Option` of it takes 4 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BlockIndex(NonZeroU32);

impl BlockIndex {
    /// The index of this place; a node has less than 2^32 - 1 blocks.
    pub fn new(place: usize) -> Self {
        Self(NonZeroU32::MIN.saturating_add(place as u32))
    }

    pub fn place(self) -> usize {
        self.0.get() as usize - 1
    }
}

/// A block's neighbours in the list that it is on.
#[derive(Clone, Copy, Debug, Default)]
pub struct Link {
    pub next: Option<BlockIndex>,
    pub prev: Option<BlockIndex>,
}

/// What is known of a block without its frame map.
#[derive(Clone, Copy, Debug)]
pub enum Block {
    /// Nothing: a larger free run whose first block speaks for it holds this block, or no frame of it was added or all of it
    /// was removed.
    Quiet,
    /// The first block of a free run of 2^(`order` - 9) blocks, aligned to its size.
    Free { order: u8, number: u32, link: Link },
    /// The frame map holds.
    Split { free: u16, largest: Largest, number: u32, link: Link },
    /// Granted whole, and the grant begins here.
    Head,
    /// The same, and the grant is sealed.
    SealedHead,
    /// Granted whole, and the grant began before.
    Inside,
}

/// The order of a split block's largest free chunk, meaningless when nothing is free; and whether the block is a cache's, which
/// was filled from it last and will be again.
#[derive(Clone, Copy, Debug, Default)]
pub struct Largest(u8);

impl Largest {
    const CLAIMED: u8 = 1 << 7;

    #[inline]
    pub fn order(self) -> u8 {
        self.0 & !Self::CLAIMED
    }

    pub fn is_claimed(self) -> bool {
        self.0 & Self::CLAIMED != 0
    }

    fn set_order(&mut self, order: u8) {
        self.0 = self.0 & Self::CLAIMED | order;
    }

    fn set_claimed(&mut self, claimed: bool) {
        self.0 = self.order() | if claimed { Self::CLAIMED } else { 0 };
    }
}

const _: () = assert!(size_of::<Block>() == 16 && size_of::<FrameMap>() == 128);

impl Block {
    /// The list that the block belongs on: that of its largest free order.
    pub fn list(self) -> Option<u8> {
        match self {
            Self::Free { order, .. } => Some(order),
            Self::Split { free: 1.., largest, .. } => Some(largest.order()),
            _ => None,
        }
    }

    /// The block's number, where the descriptor knows it.
    pub fn number(self) -> Option<u64> {
        match self {
            Self::Free { number, .. } | Self::Split { number, .. } => Some(number.into()),
            _ => None,
        }
    }
}

/// Where a block's frame map is or will be.
pub struct MapSlot(UnsafeCell<MaybeUninit<FrameMap>>);

// SAFETY: the cell is written by `Blocks::split` alone, under the node's lock, and then word by word with atomic stores.
unsafe impl Sync for MapSlot {}

/// A node's blocks. A frame map is initialised from the first time on that its block was split; what keeps that true
/// is that [`Blocks::split`] alone makes a block `Split`. From then on the map may be read without the lock. Where the
/// block is no longer split, it says that all frames are free or withheld.
pub struct Blocks<'m> {
    descriptors: &'m mut [Block],
    maps: &'m [MapSlot],
}

impl<'m> Blocks<'m> {
    /// No descriptor may be `Split` yet. Both slices are as long as the node has blocks.
    pub fn new(descriptors: &'m mut [Block], maps: &'m mut [MaybeUninit<MapSlot>]) -> Self {
        debug_assert!(descriptors.len() == maps.len());
        descriptors.iter().for_each(|block| debug_assert!(matches!(block, Block::Quiet)));
        // SAFETY: a slot is a cell around a `MaybeUninit`, which any bytes are.
        Self { descriptors, maps: unsafe { maps.assume_init_ref() } }
    }

    #[inline]
    pub fn get(&self, place: usize) -> Block {
        self.descriptors[place]
    }

    /// Free frames of a split block; 0 for any other.
    pub fn free_in(&self, place: usize) -> u16 {
        match self.descriptors[place] {
            Block::Split { free, .. } => free,
            _ => 0,
        }
    }

    #[inline]
    pub fn set_quiet(&mut self, place: usize) {
        self.descriptors[place] = Block::Quiet;
    }

    #[inline]
    pub fn set_granted(&mut self, place: usize, begins_grant: bool) {
        self.descriptors[place] = if begins_grant { Block::Head } else { Block::Inside };
    }

    /// Seals a grant that begins with this block, which is granted whole, or unseals it; `false`, with nothing changed, where it
    /// is so already or no such grant begins here.
    pub fn set_sealed(&mut self, place: usize, sealed: bool) -> bool {
        let (from, to) =
            if sealed { (Block::Head, Block::SealedHead) } else { (Block::SealedHead, Block::Head) };
        let is_from = core::mem::discriminant(&self.descriptors[place]) == core::mem::discriminant(&from);
        if is_from {
            self.descriptors[place] = to;
        }
        is_from
    }

    /// Makes the block the first of a free run. It is on no list yet.
    pub fn set_free(&mut self, place: usize, number: u64, order: u8) {
        debug_assert!((BLOCK_ORDER..=MAX_ORDER).contains(&order));
        self.descriptors[place] = Block::Free { order, number: number as u32, link: Link::default() };
    }

    /// Makes a whole block one with a frame map. It is on no list and counts nothing free until
    /// [`Blocks::set_split`] says what is.
    pub fn split(&mut self, place: usize, number: u64, map: &FrameMap) {
        let slot = self.maps[place].0.get().cast::<FrameMap>();
        // SAFETY: the slot is large enough, aligned and lives for 'm. A `FrameMap` is made of atomic words, which are only
        // written here, so that it does not matter whether they were before.
        unsafe { &*slot }.copy(map);
        let largest = Largest::default();
        self.descriptors[place] =
            Block::Split { free: 0, largest, number: number as u32, link: Link::default() };
    }

    /// Sets a split block's free frames and largest free order; no effect on another block.
    pub fn set_split(&mut self, place: usize, now_free: u16, order: u8) {
        debug_assert!(now_free < BLOCK_FRAMES);
        if let Block::Split { free, largest, .. } = &mut self.descriptors[place] {
            *free = now_free;
            largest.set_order(order);
        }
    }

    /// Says of a split block whether it is a cache's; no effect on another block.
    pub fn set_claimed(&mut self, place: usize, claimed: bool) {
        if let Block::Split { largest, .. } = &mut self.descriptors[place] {
            largest.set_claimed(claimed);
        }
    }

    /// The frame map of a split block.
    #[inline]
    pub fn map(&self, place: usize) -> Option<&'m FrameMap> {
        let Block::Split { .. } = self.descriptors[place] else { return None };
        let slot = self.maps[place].0.get().cast::<FrameMap>();
        // SAFETY: the block is `Split`, which only `split` makes it, having written the map; maps stay initialised.
        Some(unsafe { &*slot })
    }

    /// The neighbours of a block of the kinds that are kept in lists.
    pub fn link_mut(&mut self, index: BlockIndex) -> Option<&mut Link> {
        match &mut self.descriptors[index.place()] {
            Block::Free { link, .. } | Block::Split { link, .. } => Some(link),
            _ => None,
        }
    }
}
