//! Taking frames out of a node: the lists first, a walk only where they cannot know.
use crate::blocks::{BLOCK_ORDER, Block, block_of};
use crate::buddy::blocks_in;
use crate::frame_map::{BLOCK_FRAMES, FrameMap};
use crate::node_memory::{Extent, NodeMemory, Piece, edges, whole_blocks};
use crate::request::Needs;
use crate::span_table::Span;

/// A free chunk: its block or run of blocks, what is known of that, and where in its first block the chunk begins.
pub(crate) struct Chunk {
    pub extent: Extent,
    pub block: Block,
    offset: u16,
}

impl Chunk {
    pub fn frame(&self) -> u64 {
        (self.extent.first << BLOCK_ORDER) + u64::from(self.offset)
    }
}

impl NodeMemory<'_> {
    /// Grants a run that meets the needs and returns its first frame. `spans` are the node's, ascending.
    ///
    /// A count that is a power of two, without a limit below the node's end, is answered by the lists alone, yes or
    /// no. For any other request they are asked for a chunk that holds the run with certainty; only where that fails
    /// are the blocks walked.
    pub fn allocate<'s>(
        &mut self,
        needs: &Needs,
        spans: impl Iterator<Item = &'s Span> + Clone,
    ) -> Option<u64> {
        if needs.is_chunk()
            && let Some(frame) = self.allocate_kept(needs.order, needs.limit)
        {
            return Some(frame);
        }
        if needs.count > self.free {
            return None;
        }
        self.allocate_listed(needs, spans.clone())
            .or_else(|| if self.put_kept_back() { self.allocate_listed(needs, spans) } else { None })
    }

    fn allocate_listed<'s>(&mut self, needs: &Needs, spans: impl Iterator<Item = &'s Span>) -> Option<u64> {
        if let Some(chunk) = self.find_chunk(needs.order)
            && chunk.frame() + needs.count <= needs.limit
        {
            if needs.is_chunk() {
                self.claim_chunk(&chunk, needs.order);
            } else {
                self.claim(chunk.extent, chunk.frame(), needs.count);
            }
            return Some(chunk.frame());
        }
        if (needs.is_chunk() && needs.limit >= self.added_end) || !self.may_hold(needs.count) {
            return None;
        }
        let (extent, frame) = spans
            .map(Span::extent)
            .take_while(|extent| extent.first << BLOCK_ORDER < needs.limit)
            .find_map(|extent| Some((extent, self.find_run(extent, needs)?)))?;
        self.claim(extent, frame, needs.count);
        Some(frame)
    }

    /// A free chunk of this order, out of the smallest that there is.
    pub(crate) fn find_chunk(&self, order: u8) -> Option<Chunk> {
        self.chunk_at(self.lists.first_fit(order)?.place(), order)
    }

    /// A free chunk of this order in the free run that begins with the block of this place, or in the block if it is split.
    pub(crate) fn chunk_at(&self, place: usize, order: u8) -> Option<Chunk> {
        let block = self.blocks.get(place);
        let number = block.number()?;
        let (blocks, offset) = match block {
            Block::Free { order, .. } => (blocks_in(order), 0),
            _ => (1, self.blocks.map(place)?.find(order)?),
        };
        Some(Chunk { extent: Extent::new(number..number + blocks, place), block, offset })
    }

    /// Whether a run of this length can be there, given that no free chunk is larger than the largest: two chunks of
    /// the next order that each lack one frame, with the lacking frames at the outer ends, are the longest such run.
    fn may_hold(&self, count: u64) -> bool {
        match self.lists.largest_order() {
            Some(crate::MAX_ORDER) => true,
            Some(order) => count <= (1 << (order + 2)) - 2,
            None => false,
        }
    }

    /// Makes a chunk of this order, which was just found, a grant.
    fn claim_chunk(&mut self, chunk: &Chunk, order: u8) {
        let Chunk { extent, block, offset } = *chunk;
        let number = extent.first;
        let place = extent.place(number);
        self.free -= 1 << order;
        let (free, largest) = match block {
            Block::Free { order: found, .. } => {
                self.take_start_of_run(extent, found, order.max(BLOCK_ORDER));
                if order >= BLOCK_ORDER {
                    return self.grant_blocks(place, blocks_in(order) as usize);
                }
                self.blocks.split(place, number, &FrameMap::free());
                (BLOCK_FRAMES, BLOCK_ORDER)
            }
            Block::Split { free, largest, .. } => (free, largest.order()),
            _ => return,
        };
        let Some(map) = self.blocks.map(place) else { return };
        let around = map.order_around(offset);
        map.claim_chunk(offset, order);
        let now_largest = if around < largest || (around < BLOCK_ORDER && map.find(around).is_some()) {
            Some(largest)
        } else if around > order {
            // The other half of what was around it.
            Some(around - 1)
        } else {
            map.largest_order()
        };
        let listed = if free < BLOCK_FRAMES { Some(largest) } else { None };
        self.relist(place, listed, free - (1 << order), now_largest);
    }

    fn grant_blocks(&mut self, first: usize, count: usize) {
        self.blocks.set_granted(first, true);
        for place in first + 1..first + count {
            self.blocks.set_granted(place, false);
        }
    }

    /// Makes free frames a grant.
    fn claim(&mut self, extent: Extent, start: u64, count: u64) {
        let frames = start..start + count;
        let first = block_of(start);
        self.free -= count;
        if let Some(piece) = Piece::of_one_block(&frames)
            && self.blocks.map(extent.place(first)).is_some()
        {
            return self.claim_piece(extent, piece, true);
        }
        self.withdraw_blocks(extent, first..block_of(frames.end - 1) + 1);
        for piece in edges(&frames) {
            self.claim_piece(extent, piece, piece.number == first);
        }
        for number in whole_blocks(&frames) {
            self.blocks.set_granted(extent.place(number), number == first);
        }
    }

    /// Makes free frames of one block a grant or a part of one. Splits the block if it is whole.
    fn claim_piece(&mut self, extent: Extent, piece: Piece, begins_grant: bool) {
        let place = extent.place(piece.number);
        let free = match self.blocks.get(place) {
            Block::Split { free, .. } => free,
            _ => {
                self.blocks.split(place, piece.number, &FrameMap::free());
                BLOCK_FRAMES
            }
        };
        if let Some(map) = self.blocks.map(place) {
            map.claim(piece.start..piece.end, begins_grant);
        }
        self.settle(extent, piece.number, free - piece.len());
    }
}
