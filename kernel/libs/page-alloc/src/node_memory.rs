//! The free memory of one region of a node: its blocks, the lists over them and the hot chunks. The node's lock guards it.
use crate::ORDERS;
use crate::blocks::{BLOCK_ORDER, Block, BlockIndex, Blocks, block_of, offset_in_block};
use crate::extent::Extent;
use crate::frame_map::BLOCK_FRAMES;
use crate::hot_chunks::HotChunks;
use crate::lists::Lists;
use crate::word::FrameState;

/// Blocks and the lists over them. Frame and block numbers are absolute throughout.
pub struct NodeMemory<'m> {
    pub(crate) blocks: Blocks<'m>,
    pub(crate) lists: Lists,
    pub(crate) hot: HotChunks<'m>,
    /// Frames that are free, those of hot chunks included.
    pub(crate) free: u64,
    /// Frames that were added and are not offline.
    pub(crate) managed: u64,
    /// No frame from this one on was ever added.
    pub(crate) added_end: u64,
}

impl<'m> NodeMemory<'m> {
    /// Returns memory of which nothing was added yet.
    pub fn new(blocks: Blocks<'m>) -> Self {
        Self { blocks, lists: Lists::EMPTY, hot: HotChunks::NONE, free: 0, managed: 0, added_end: 0 }
    }

    /// Returns the number of free frames.
    pub fn free_frames(&self) -> u64 {
        self.free
    }

    /// Returns the number of frames that were added and are not offline.
    pub fn managed_frames(&self) -> u64 {
        self.managed
    }

    /// Returns the order of the largest free chunk.
    pub fn largest_free_order(&mut self) -> Option<u8> {
        self.release_hot();
        self.lists.largest_order()
    }

    /// Adds the free frames to the counts of their chunks' orders. Walks all lists: a step for each block with free frames.
    pub fn add_free_by_order(&mut self, frames: &mut [u64; ORDERS]) {
        self.release_hot();
        for order in 0..ORDERS as u8 {
            let mut next = self.lists.head(order);
            while let Some(index) = next {
                let block = self.blocks.get(index.slot());
                if let Some(map) = self.blocks.map(index.slot()) {
                    map.count_by_order(frames);
                }
                next = match block {
                    Block::Free { order, link, .. } => {
                        frames[usize::from(order)] += 1 << order;
                        link.next
                    }
                    Block::Split { link, .. } => link.next,
                    _ => None,
                };
            }
        }
    }

    /// Returns the state of a frame of the extent.
    pub fn state(&self, extent: Extent, frame: u64) -> FrameState {
        let number = block_of(frame);
        let slot = extent.slot(number);
        if let Some(map) = self.blocks.map(slot) {
            let is_last = offset_in_block(frame) == BLOCK_FRAMES - 1;
            return match map.state(offset_in_block(frame)) {
                FrameState::Head if is_last && self.grant_len(extent, frame) == 1 => FrameState::Withheld,
                state => state,
            };
        }
        match self.blocks.get(slot) {
            Block::Head(_) if offset_in_block(frame) == 0 => FrameState::Head,
            Block::KernelHead if offset_in_block(frame) == 0 => FrameState::Reserved,
            Block::Head(_) | Block::KernelHead | Block::Inside => FrameState::Inside,
            _ if self.free_run_over(extent, number).is_some() => FrameState::Free,
            _ => FrameState::Reserved,
        }
    }

    /// Sets a block's count of free frames after its map was changed. Moves the block to the list of its largest free order,
    /// or makes it a whole free block.
    pub(crate) fn settle(&mut self, extent: Extent, number: u64, free: u16) {
        let slot = extent.slot(number);
        let index = BlockIndex::new(slot);
        let old = self.blocks.get(slot).list();
        if free == BLOCK_FRAMES {
            if let Some(order) = old {
                self.lists.remove(&mut self.blocks, order, index);
            }
            self.blocks.set_quiet(slot);
            return self.release_run(extent, number, BLOCK_ORDER);
        }
        let new = self.blocks.map(slot).and_then(|map| map.largest_order());
        self.relist(slot, old, free, new);
    }

    /// Sets a split block's free frames and largest free order, and moves the block from list `old` to list `new`.
    pub(crate) fn relist(&mut self, slot: usize, old: Option<u8>, free: u16, new: Option<u8>) {
        self.blocks.set_split(slot, free, new.unwrap_or_default());
        if new == old {
            return;
        }
        let index = BlockIndex::new(slot);
        if let Some(order) = old {
            self.lists.remove(&mut self.blocks, order, index);
        }
        if let Some(order) = new {
            self.lists.insert(&mut self.blocks, order, index);
        }
    }
}
