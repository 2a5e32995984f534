//! A CPU's access to the allocator: every frame is granted and freed through it.
use core::alloc::Layout;
use core::cell::Cell;
use core::mem::MaybeUninit;

use lock_api::RawMutex;
use units::{FrameNumber, NodeId};

use crate::allocator::PageAllocator;
use crate::blocks::block_of;
use crate::cached_frames::CachedFrames;
use crate::contents::{CacheView, Contents};
use crate::error::SetupError;

mod allocate;
mod free;

/// Returns true for 2, 4, 8, 16 and 32: an aligned chunk of so many frames lies in one word, and is no single frame.
#[inline(always)]
fn is_chunk_in_word(count: u64) -> bool {
    // A bit for each of these numbers.
    const COUNTS: u64 = 1 << 2 | 1 << 4 | 1 << 8 | 1 << 16 | 1 << 32;
    count < 64 && COUNTS >> count & 1 != 0
}

/// A CPU's access to the allocator, with a cache of single frames of the CPU's node. What the cache holds counts as free.
///
/// It is for one CPU: it can move to another one, but cannot be shared. A kernel keeps it in the CPU's own data, and keeps
/// preemption off during a call. The methods take `&self`: a CPU that waits for others within [`CpuCache::allocate`] may have to
/// drain its own cache meanwhile.
///
/// A dropped cache keeps its frames. [`CpuCache::drain`] returns them.
pub struct CpuCache<'m, L = spin::Mutex<()>> {
    frames: CachedFrames<'m>,
    allocator: Cell<Option<&'m PageAllocator<'m, L>>>,
    node: Cell<NodeId>,
}

impl<'m, L: RawMutex> PageAllocator<'m, L> {
    /// Returns the layout of the memory that [`PageAllocator::cache_for`] needs: little more than 4 KiB.
    pub const fn cache_layout() -> Layout {
        Contents::layout()
    }

    /// Builds the access of a CPU of this node. `memory` holds its cache, preferably in the node itself.
    ///
    /// # Errors
    /// There is no such node, or the memory is too small.
    pub fn cache_for(
        &'m self,
        node: NodeId,
        memory: &'m mut [MaybeUninit<u8>],
    ) -> Result<CpuCache<'m, L>, SetupError> {
        let owner = self.node(node).ok_or(SetupError::NoSuchNode(node))?;
        let frames = owner.add_cache(memory).ok_or(SetupError::MetadataTooSmall(node))?;
        Ok(CpuCache { frames, allocator: Cell::new(Some(self)), node: Cell::new(node) })
    }
}

impl<'m, L> CpuCache<'m, L> {
    /// Returns the access of a CPU before the allocator exists. It refuses every call until it is [attached](CpuCache::attach).
    pub const fn detached() -> Self {
        Self { frames: CachedFrames::none(), allocator: Cell::new(None), node: Cell::new(NodeId::ZERO) }
    }

    /// Attaches a detached access to the allocator, for a CPU of this node. It caches no frames: the nodes serve each call. Has no
    /// effect if the access has an allocator already.
    pub fn attach(&self, allocator: &'m PageAllocator<'m, L>, node: NodeId) {
        if self.allocator.get().is_none() {
            self.allocator.set(Some(allocator));
            self.node.set(node);
        }
    }

    /// Returns what other CPUs see of the cache while its CPU uses it.
    pub fn view(&self) -> CacheView<'m> {
        self.frames.view()
    }

    /// Returns the CPU's node.
    #[inline]
    pub fn node(&self) -> NodeId {
        self.node.get()
    }

    /// Returns the number of frames in the cache.
    pub fn len(&self) -> usize {
        self.frames.len()
    }

    /// Returns true if the cache is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<'m, L: RawMutex> CpuCache<'m, L> {
    /// Returns all frames of the cache to their node.
    pub fn drain(&self) {
        while self.drain_some() {}
    }

    /// Returns some frames of the cache to their node, and true if there are more. A kernel that must not keep preemption off for long
    /// calls this until it returns false: before the CPU halts, or when the node has no other free frame.
    #[inline]
    pub fn drain_some(&self) -> bool {
        if !self.frames.is_drained()
            && let Some(allocator) = self.allocator.get()
            && let Some(node) = allocator.node(self.node.get())
        {
            node.flush(&self.frames, &allocator.spans);
        }
        !self.frames.is_drained()
    }

    /// Remembers the frame's block, if it is split and not known already.
    fn remember_block(&self, allocator: &PageAllocator<'m, L>, frame: FrameNumber) {
        if self.frames.known_block(frame.0).is_none()
            && let Some(span) = allocator.spans.find(frame.0)
            && let Some(block) =
                allocator.node(span.node).and_then(|node| node.split_block(span, block_of(frame.0)))
        {
            self.frames.remember(block);
        }
    }
}
