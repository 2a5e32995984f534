//! Memory that is added and taken offline after boot, for hot-plug.
use core::alloc::Layout;
use core::mem::MaybeUninit;

use lock_api::RawMutex;
use units::{FrameNumber, FrameRange};

use crate::allocator::PageAllocator;
use crate::error::{GrowError, IsolateError};
use crate::node::Node;
use crate::node_memory::NodeMemory;
use crate::region::{self, Region};
use crate::span_table::Span;
use crate::spans::{FRAMES_END, NodeFrames};

impl<'m, L: RawMutex> PageAllocator<'m, L> {
    /// Adds memory to a node that was in no span at setup. Returns the number of free frames: those of `free`, which lies in the
    /// memory, without frame 0. The rest is reserved, as frames in use at boot are; [`PageAllocator::add`] can add it later.
    ///
    /// The memory becomes a span of its own, even if it touches another span of the node: no grant crosses its ends. The span is
    /// permanent, and the allocator keeps `metadata`, since CPUs' caches refer to it. To bring back memory that was
    /// [isolated](PageAllocator::isolate), use [`PageAllocator::add`].
    ///
    /// `metadata` is as large as [`PageAllocator::growth_layout`] says. It may lie in the new memory itself. Then `free` leaves that
    /// part out, and the memory cannot be isolated as a whole.
    ///
    /// A node without memory may get some. CPUs whose fallback order names the node then use it.
    ///
    /// Calls run one after the other. Meanwhile other calls wait no longer than for the node's lock.
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
        node.add_region(region, parts.regions, || self.spans.replace_added(parts.table));
        Ok(count)
    }

    /// Returns the layout of the metadata that [`PageAllocator::add_memory`] needs for this memory now. If other memory is added
    /// first, it needs a little more.
    ///
    /// It is 656 bytes for each 2 MiB block that the memory touches, 2 KiB, some 40 bytes for each span that was added before, and
    /// 350 for each of those that are the node's.
    ///
    /// # Errors
    /// See [`GrowError`].
    pub fn growth_layout(&self, memory: NodeFrames) -> Result<Layout, GrowError> {
        let node = self.check_new(memory)?;
        let blocks = memory.block_count() as usize;
        region::layout(node.added_regions(), self.added_spans().len(), blocks)
            .map_err(|_| GrowError::MetadataTooSmall(memory.node))
    }

    /// Returns the node of the memory, if the memory can be added.
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

    /// Takes frames, all of which are free, offline and returns their number. They are not granted until [`PageAllocator::add`]
    /// brings them back. Frame 0 is skipped. The range may contain parts of several spans; those before a frame that is not free
    /// are offline until the call is refused.
    ///
    /// Frames in a CPU's cache are not free in this sense. That CPU [drains](crate::CpuCache::drain) its cache first.
    ///
    /// # Errors
    /// [`IsolateError`] names the lowest frame that is not free. Nothing was changed.
    pub fn isolate(&self, range: FrameRange) -> Result<u64, IsolateError> {
        let start = range.start.max(FrameNumber(1));
        let mut next = start;
        while next < range.end {
            match self.isolate_part(next, range.end) {
                Ok(end) => next = end,
                Err(error) => {
                    // This cannot fail: if another CPU has added the frames meanwhile, the allocator has them, too.
                    let _ = self.add(FrameRange { start, end: next });
                    return Err(error);
                }
            }
        }
        Ok(next.0 - start.0)
    }

    /// Takes the part in one span offline, and returns the part's end.
    fn isolate_part(&self, start: FrameNumber, end: FrameNumber) -> Result<FrameNumber, IsolateError> {
        let span = self.spans.find(start.0).ok_or(IsolateError::NotMemory(start))?;
        let node = self.node(span.node).ok_or(IsolateError::NotMemory(start))?;
        let end = end.min(span.frames.end);
        node.isolate(span, start, end).map(|()| end)
    }
}
