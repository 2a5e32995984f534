//! Memory that comes and leaves after boot: what hot-plug needs.
use core::alloc::Layout;
use core::mem::MaybeUninit;

use lock_api::RawMutex;
use units::{FrameNumber, FrameRange};

use crate::allocator::PageAllocator;
use crate::error::{GrowError, RemoveError};
use crate::node::Node;
use crate::node_memory::NodeMemory;
use crate::region::{self, Region};
use crate::span_table::Span;
use crate::spans::{FRAMES_END, NodeFrames};

impl<'m, L: RawMutex> PageAllocator<'m, L> {
    /// Gives a node memory that setup did not know, and returns how many frames of it are free: those of `free`, which
    /// lies in it, but for frame 0. The rest is withheld, as what is in use at boot is; [`PageAllocator::add_free`] can add it
    /// later.
    ///
    /// The memory is a span of its own, also where it touches another of the node: no grant reaches over its ends. It stays
    /// known for good, and `metadata` the allocator's, since CPUs' caches refer to it. So memory that was
    /// [removed](PageAllocator::remove_free) and comes again is added by [`PageAllocator::add_free`]. `metadata`, as large as
    /// [`PageAllocator::growth_layout`] says, may lie in the new memory itself; then that part is left out of `free`, and the
    /// memory cannot be removed as a whole.
    ///
    /// A node that had no memory may get some. It is asked by those whose fallback order names it.
    ///
    /// Calls run one after the other. Others go on meanwhile: they wait no longer than for the node's lock.
    ///
    /// # Errors
    /// See [`GrowError`]. Nothing was changed.
    pub fn add_memory(
        &self,
        memory: NodeFrames,
        free: FrameRange,
        metadata: &'m mut [MaybeUninit<u8>],
    ) -> Result<u64, GrowError> {
        let _growing = self.growing.lock();
        let node = self.check_new(memory)?;
        if !free.is_empty() && (free.start < memory.frames.start || memory.frames.end < free.end) {
            let inside = memory.frames.contains(free.start);
            return Err(GrowError::NotInMemory(if inside { memory.frames.end } else { free.start }));
        }
        let span = Span::added(memory, node.added_regions() as u32 + 1);
        let parts = region::cut(metadata, self.added_spans(), span, memory.block_count() as usize)
            .ok_or(GrowError::MetadataTooSmall(memory.node))?;
        let mut region = Region { memory: NodeMemory::new(parts.blocks), span };
        let free = free.start.0.max(1)..free.end.0;
        let count = free.end.saturating_sub(free.start);
        if count > 0 {
            region.memory.add(span.extent(), free);
        }
        node.take_in(region, parts.regions, || self.spans.replace_added(parts.table));
        Ok(count)
    }

    /// The memory that [`PageAllocator::add_memory`] wants for this memory as things are: when other memory is added first, it
    /// wants a little more. 144 bytes for each 2 MiB block that the memory touches, 2 KiB, and some 40 bytes for each span and
    /// 350 for each of the node's that were added before.
    ///
    /// # Errors
    /// See [`GrowError`].
    pub fn growth_layout(&self, memory: NodeFrames) -> Result<Layout, GrowError> {
        let node = self.check_new(memory)?;
        let blocks = memory.block_count() as usize;
        region::layout(node.added_regions(), self.added_spans().len(), blocks)
            .map_err(|_| GrowError::MetadataTooSmall(memory.node))
    }

    /// The node of memory that may be added.
    fn check_new(&self, memory: NodeFrames) -> Result<&'m Node<'m, L>, GrowError> {
        let NodeFrames { node, frames } = memory;
        if frames.is_empty() {
            return Err(GrowError::Empty);
        }
        if frames.end.0 > FRAMES_END {
            return Err(GrowError::TooHigh(frames.start));
        }
        let known = self.spans.boot().spans().iter().chain(self.added_spans());
        let known = known.map(|span| span.frames.intersection(frames)).filter(|common| !common.is_empty());
        if let Some(first) = known.map(|common| common.start).min() {
            return Err(GrowError::Known(first));
        }
        self.node(node).ok_or(GrowError::NoSuchNode(node))
    }

    fn added_spans(&self) -> &'m [Span] {
        self.spans.added().map_or(&[], |table| table.spans())
    }

    /// Takes frames away from their nodes, all of which are free, and returns how many: nobody is granted them any more,
    /// until [`PageAllocator::add_free`] brings them back. Frame 0 is passed over, as it is there. The range may hold parts of
    /// several spans; those before a frame that is not free are missing until the refusal.
    ///
    /// Frames in a CPU's cache are not free in this sense. Their owners [drain](PageAllocator::drain) them.
    ///
    /// # Errors
    /// See [`RemoveError`], which names the lowest frame that is not free. Nothing was changed.
    pub fn remove_free(&self, range: FrameRange) -> Result<u64, RemoveError> {
        let start = range.start.max(FrameNumber(1));
        let mut next = start;
        while next < range.end {
            match self.remove_part(next, range.end) {
                Ok(end) => next = end,
                Err(error) => {
                    // It cannot fail: who else added them has them in the allocator, too.
                    let _ = self.add_free(FrameRange { start, end: next });
                    return Err(error);
                }
            }
        }
        Ok(next.0 - start.0)
    }

    /// Takes away what lies in one span, and returns where that ends.
    fn remove_part(&self, start: FrameNumber, end: FrameNumber) -> Result<FrameNumber, RemoveError> {
        let span = self.spans.find(start.0).ok_or(RemoveError::NotMemory(start))?;
        let node = self.node(span.node).ok_or(RemoveError::NotMemory(start))?;
        let end = end.min(span.frames.end);
        node.remove(span, start, end).map(|()| end)
    }
}
