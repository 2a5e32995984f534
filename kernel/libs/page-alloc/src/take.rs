//! Taking free frames out of a node: from the lists first, by a walk only where the lists cannot answer.
use crate::blocks::{BLOCK_ORDER, Block, block_of};
use crate::buddy::blocks_in;
use crate::extent::{Extent, Piece, edges, whole_blocks};
use crate::frame_map::{BLOCK_FRAMES, GrantPart};
use crate::node_memory::NodeMemory;
use crate::owner::PageOwner;
use crate::request::Needs;
use crate::span_table::Span;

/// A free chunk: its block or run of blocks, their descriptor, and the chunk's offset in its first block.
pub(crate) struct Chunk {
    pub extent: Extent,
    pub block: Block,
    offset: u16,
}

impl Chunk {
    /// Returns the chunk's first frame.
    pub fn frame(&self) -> u64 {
        (self.extent.first << BLOCK_ORDER) + u64::from(self.offset)
    }
}

impl NodeMemory<'_> {
    /// Grants a run that meets the needs and returns its first frame. `spans` are the node's, ascending.
    ///
    /// The lists alone answer, yes or no, for a count that is a power of two without a limit below the node's end. For any
    /// other request they are asked for a chunk that is certain to contain the run; only if there is none, the blocks are
    /// walked.
    pub fn allocate<'s>(
        &mut self,
        needs: &Needs,
        spans: impl Iterator<Item = &'s Span> + Clone,
    ) -> Option<u64> {
        if needs.is_chunk()
            && let Some(frame) = self.take_hot(needs.order, needs.limit, needs.owner)
        {
            return Some(frame);
        }
        if needs.count > self.free {
            return None;
        }
        self.take_listed(needs, spans.clone())
            .or_else(|| if self.release_hot() { self.take_listed(needs, spans) } else { None })
    }

    fn take_listed<'s>(&mut self, needs: &Needs, spans: impl Iterator<Item = &'s Span>) -> Option<u64> {
        if let Some(chunk) = self.find_chunk(needs.order)
            && chunk.frame() + needs.count <= needs.limit
        {
            if needs.is_chunk() {
                self.take_chunk(&chunk, needs.order, needs.owner);
            } else {
                self.take_run(chunk.extent, chunk.frame(), needs);
            }
            return Some(chunk.frame());
        }
        if (needs.is_chunk() && needs.limit >= self.added_end) || !self.may_contain(needs.count) {
            return None;
        }
        let (extent, frame) = spans
            .map(Span::extent)
            .take_while(|extent| extent.first << BLOCK_ORDER < needs.limit)
            .find_map(|extent| Some((extent, self.find_run(extent, needs)?)))?;
        self.take_run(extent, frame, needs);
        Some(frame)
    }

    /// Returns a free chunk of this order, part of the smallest free chunk that contains one.
    pub(crate) fn find_chunk(&self, order: u8) -> Option<Chunk> {
        self.chunk_at(self.lists.first_fit(order)?.slot(), order)
    }

    /// Returns a free chunk of this order in the free run that starts with the block of this slot, or in that block if it is
    /// split.
    pub(crate) fn chunk_at(&self, slot: usize, order: u8) -> Option<Chunk> {
        let block = self.blocks.get(slot);
        let number = block.number()?;
        let (blocks, offset) = match block {
            Block::Free { order, .. } => (blocks_in(order), 0),
            _ => (1, self.blocks.map(slot)?.find(order)?),
        };
        Some(Chunk { extent: Extent::new(number..number + blocks, slot), block, offset })
    }

    /// Returns true if a run of this length can exist, given the largest free chunk. The longest run without a larger chunk
    /// consists of two chunks of the next order, each of which lacks one frame at its outer end.
    fn may_contain(&self, count: u64) -> bool {
        match self.lists.largest_order() {
            Some(crate::MAX_ORDER) => true,
            Some(order) => count <= (1 << (order + 2)) - 2,
            None => false,
        }
    }

    /// Grants a chunk of this order, which was just found.
    fn take_chunk(&mut self, chunk: &Chunk, order: u8, owner: PageOwner) {
        let Chunk { extent, block, offset } = *chunk;
        let number = extent.first;
        let slot = extent.slot(number);
        self.free -= 1 << order;
        let (free, largest) = match block {
            Block::Free { order: found, .. } => {
                self.take_start_of_run(extent, found, order.max(BLOCK_ORDER));
                if order >= BLOCK_ORDER {
                    return self.grant_blocks(slot, blocks_in(order) as usize, owner);
                }
                self.blocks.split(slot, number, true);
                (BLOCK_FRAMES, BLOCK_ORDER)
            }
            Block::Split { free, largest, .. } => (free, largest.order()),
            _ => return,
        };
        let Some(map) = self.blocks.map(slot) else { return };
        let around = map.order_around(offset);
        map.grant_chunk(offset, order, owner);
        let now_largest = if around < largest || (around < BLOCK_ORDER && map.find(around).is_some()) {
            Some(largest)
        } else if around > order {
            // The other half of the chunk that contained it.
            Some(around - 1)
        } else {
            map.largest_order()
        };
        let listed = if free < BLOCK_FRAMES { Some(largest) } else { None };
        self.relist(slot, listed, free - (1 << order), now_largest);
    }

    fn grant_blocks(&mut self, first: usize, count: usize, owner: PageOwner) {
        self.blocks.set_granted(first, Some(owner));
        for slot in first + 1..first + count {
            self.blocks.set_granted(slot, None);
        }
    }

    /// Grants a run of free frames.
    fn take_run(&mut self, extent: Extent, start: u64, needs: &Needs) {
        let &Needs { count, owner, .. } = needs;
        let frames = start..start + count;
        let first = block_of(start);
        self.free -= count;
        if let Some(piece) = Piece::of_one_block(&frames)
            && self.blocks.map(extent.slot(first)).is_some()
        {
            return self.take_piece(extent, piece, GrantPart::Whole, owner);
        }
        self.withdraw_blocks(extent, first..block_of(frames.end - 1) + 1);
        for piece in edges(&frames) {
            let part = match piece.number == first {
                true if u64::from(piece.len()) == count => GrantPart::Whole,
                true => GrantPart::First,
                false => GrantPart::Further,
            };
            self.take_piece(extent, piece, part, owner);
        }
        for number in whole_blocks(&frames) {
            self.blocks.set_granted(extent.slot(number), (number == first).then_some(owner));
        }
    }

    /// Makes free frames of one block this part of a grant. Splits the block if it is whole.
    fn take_piece(&mut self, extent: Extent, piece: Piece, part: GrantPart, owner: PageOwner) {
        let slot = extent.slot(piece.number);
        let free = self.blocks.split_if_whole(slot, piece.number);
        if let Some(map) = self.blocks.map(slot) {
            map.grant(piece.start..piece.end, part, owner);
        }
        self.settle(extent, piece.number, free - piece.len());
    }
}
