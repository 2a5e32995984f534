//! Memory that leaves after boot and comes back: what hot-plug needs.
use lock_api::RawMutex;
use units::{FrameNumber, FrameRange};

use crate::allocator::PageAllocator;
use crate::error::RemoveError;

impl<L: RawMutex> PageAllocator<'_, L> {
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
