//! Taking grants back, after checking that they are some.
use lock_api::RawMutex;
use units::FrameNumber;

use super::{CpuCache, is_chunk_in_word};
use crate::blocks::{block_of, offset_in_block};
use crate::error::FreeError;
use crate::frame_map::BLOCK_FRAMES;
use crate::hot_chunks::KnownBlock;
use crate::node::Node;
use crate::owner::PageOwner;

/// The frames in a block.
const BLOCK_COUNT: u64 = BLOCK_FRAMES as u64;

impl<'m, L: RawMutex> CpuCache<'m, L> {
    /// Takes back what one call of [`CpuCache::allocate`] granted to nobody in particular, as [`CpuCache::free_of`] does.
    ///
    /// # Errors
    /// See [`FreeError`]. A refused free is counted and changes nothing.
    pub fn free(&self, frame: FrameNumber, count: u64) -> Result<(), FreeError> {
        self.free_of(frame, count, PageOwner::NOBODY)
    }

    /// Takes back what one call of [`CpuCache::allocate`] granted to this owner. A single frame of the CPU's node goes into the cache, any other
    /// frames to their node. A full cache first returns some of its frames to the node.
    ///
    /// A single frame of the CPU's node takes no lock while there is room, if its block is one of the last that the cache has
    /// worked with and the frame is not the block's last.
    ///
    /// # Errors
    /// See [`FreeError`]. A refused free is counted and changes nothing.
    pub fn free_of(&self, frame: FrameNumber, count: u64, owner: PageOwner) -> Result<(), FreeError> {
        if self.put_at_hand(frame, count, owner) { Ok(()) } else { self.free_to_node(frame, count, owner) }
    }

    /// Puts a single frame of the owner into the cache, if that is quickly done. If it returns false, the caller goes on with
    /// [`CpuCache::put_page_beyond_cache`]. These are the steps of [`CpuCache::put_at_hand`], for a caller that wants the first one
    /// inlined and without a call.
    #[inline(always)]
    #[must_use = "a frame that was not taken back is still granted"]
    pub fn put_page_in_cache(&self, frame: FrameNumber, owner: PageOwner) -> bool {
        self.frames.put(frame, owner)
    }

    /// Takes back a single frame of the owner whose block the cache remembers. Returns false, with nothing changed, otherwise.
    #[inline(always)]
    #[must_use = "a frame that was not taken back is still granted"]
    pub fn put_page_beyond_cache(&self, frame: FrameNumber, owner: PageOwner) -> bool {
        let Some(block) = self.frames.known_block(frame.0) else { return false };
        let Some(node) = self.node_of(block) else { return false };
        if self.frames.node() == Some(block.span.node) {
            return self.put_known(node, block, frame, owner);
        }
        node.keep_hot_page(block, frame, owner)
    }

    /// Takes back a grant of the owner, if that is quickly done: a single frame, or a chunk of up to 32 frames, of a block that the cache
    /// remembers, or a chunk of 512 frames. Returns false, with nothing changed, otherwise. This is the first step of
    /// [`CpuCache::free`], for callers that want it inlined.
    #[inline(always)]
    #[must_use = "frames that were not taken back are still granted"]
    pub fn put_at_hand(&self, frame: FrameNumber, count: u64, owner: PageOwner) -> bool {
        match count {
            1 => self.frames.put(frame, owner) || self.put_single(frame, owner),
            BLOCK_COUNT => self.put_block(frame, owner),
            _ => self.put_chunk(frame, count, owner),
        }
    }

    /// Takes back a kernel-owned grant of 2, 4, 8, 16 or 32 frames, if the cache remembers its block and there is no hot chunk of that
    /// order. Returns false, with nothing changed, otherwise. This is the first step of [`CpuCache::free_kernel_owned`], for callers
    /// that want it inlined.
    #[inline(always)]
    #[must_use = "frames that were not taken back are still granted"]
    pub fn put_at_hand_of_kernel(&self, frame: FrameNumber, count: u64) -> bool {
        if !is_chunk_in_word(count) || frame.0 & (count - 1) != 0 {
            return false;
        }
        let Some(block) = self.frames.known_block(frame.0) else { return false };
        self.node_of(block)
            .is_some_and(|node| node.keep_hot_in_word(block, frame, count, PageOwner::KERNEL, true))
    }

    #[inline(never)]
    fn put_single(&self, frame: FrameNumber, owner: PageOwner) -> bool {
        self.put_page_beyond_cache(frame, owner)
    }

    /// Puts a frame of a known block into the cache, if the frame is a grant of its own, and this owner's. Makes room first.
    #[inline(never)]
    fn put_known(
        &self,
        node: &Node<'m, L>,
        block: KnownBlock<'m>,
        frame: FrameNumber,
        owner: PageOwner,
    ) -> bool {
        let Some(allocator) = self.allocator.get() else { return false };
        let owners = block.map.owners_of(frame.0);
        if self.frames.is_full() {
            // A wrong free changes nothing.
            if !block.map.owner_of(frame.0).is_single_of(owner) {
                return false;
            }
            node.flush(&self.frames, &allocator.spans);
        }
        // The block may be that of another span, which has none of the frame's state; then it is not remembered.
        let put = self.frames.put_into(frame.0, owners, owner);
        if put {
            self.frames.remember_owners(frame.0, owners);
        }
        put
    }

    /// Makes a freed block hot.
    #[inline(never)]
    fn put_block(&self, frame: FrameNumber, owner: PageOwner) -> bool {
        let FrameNumber(first) = frame;
        let Some(allocator) = self.allocator.get() else { return false };
        let Some(span) = allocator.spans.boot().find(first) else { return false };
        offset_in_block(first) == 0
            && allocator.node(span.node).is_some_and(|node| node.keep_hot_block(span, block_of(first), owner))
    }

    /// Makes a freed chunk of up to 32 frames hot, if the cache remembers its block.
    #[inline(never)]
    fn put_chunk(&self, frame: FrameNumber, count: u64, owner: PageOwner) -> bool {
        let FrameNumber(first) = frame;
        // 0 for a power of two that the first frame is aligned to.
        let unaligned = (count | first) & count.wrapping_sub(1);
        if count > 32 || unaligned != 0 {
            return false;
        }
        let Some(block) = self.frames.known_block(first) else { return false };
        self.node_of(block).is_some_and(|node| node.keep_hot_in_word(block, frame, count, owner, false))
    }

    /// Frees frames that are not at hand, after looking up their span.
    #[cold]
    #[inline(never)]
    fn free_to_node(&self, frame: FrameNumber, count: u64, owner: PageOwner) -> Result<(), FreeError> {
        let allocator = self.allocator.get().ok_or(FreeError::NotMemory(frame))?;
        let (span, node) = allocator.span_to_free(frame)?;
        self.remember_block(allocator, frame);
        if count != 1 || Some(span.node) != self.frames.node() {
            return node.free(span, frame, count, owner);
        }
        if let Some(block) = self.frames.known_block(frame.0)
            && self.put_known(node, block, frame, owner)
        {
            return Ok(());
        }
        node.free_into(&self.frames, span, frame, owner, &allocator.spans)
    }

    /// Takes back a kernel-owned grant. Only the kernel may call this: a single frame that was never granted cannot be told from a
    /// kernel-owned one.
    ///
    /// # Errors
    /// As for [`CpuCache::free`], and [`FreeError::NotKernelOwned`].
    pub fn free_kernel_owned(&self, frame: FrameNumber, count: u64) -> Result<(), FreeError> {
        if self.put_at_hand_of_kernel(frame, count) {
            return Ok(());
        }
        let allocator = self.allocator.get().ok_or(FreeError::NotMemory(frame))?;
        let (span, node) = allocator.span_to_free(frame)?;
        if is_chunk_in_word(count) {
            self.remember_block(allocator, frame);
        }
        node.free_kernel_owned(span, frame, count)
    }

    #[inline(always)]
    fn node_of(&self, block: KnownBlock<'m>) -> Option<&'m Node<'m, L>> {
        self.allocator.get()?.node(block.span.node)
    }
}
