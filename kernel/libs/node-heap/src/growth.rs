//! Frames that come and go. All of it happens outside of the node's lock.
use crate::node_heap::NodeHeap;
use lock_api::RawMutex;

/// Frames whose metadata is backed at once: 4 KiB of states.
pub const METADATA_STEP: u32 = 32;

/// The most frames that [`NodeHeap::trim`] returns to the system in one call of [`System::unmap`].
pub const TRIM_BATCH: usize = 64;

/// The most frames that [`NodeHeap::trim`] takes while it holds the node's lock once.
const TRIM_STEP: usize = 16;

/// What the heap needs from the system around it. Several CPUs may call it at a time.
///
/// # Safety
/// - While a frame is mapped, its bytes in the window are memory that only the heap uses. Its contents are any bytes.
/// - Metadata that was mapped stays mapped.
pub unsafe trait System {
    /// Maps this frame of the node's window to memory. Returns false if there is none. The frame is not mapped.
    fn map(&self, node: usize, frame: u32) -> bool;

    /// Unmaps these frames of the node's window, and takes their memory back. On return no CPU reaches that memory through the
    /// window, so that each frame can be mapped anew. May wait for other CPUs.
    fn unmap(&self, node: usize, frames: &[u32]);

    /// Backs the metadata of [`METADATA_STEP`] frames from `first` on with zeros, if it is not backed already: several CPUs may ask
    /// for the same. Returns false if there is no memory.
    fn map_metadata(&self, node: usize, first: u32) -> bool;
}

impl<L: RawMutex> NodeHeap<'_, L> {
    /// Adds one frame to the node's spare ones. Returns false if the system has none, or the window is exhausted; then nothing has
    /// changed, except that metadata may have been backed.
    ///
    /// `node` is what the system knows this node by. Preemption may be on: the caller holds nothing.
    pub fn grow(&self, node: usize, system: &impl System) -> bool {
        loop {
            let place = self.lock().take_place();
            match place {
                Ok(frame) => {
                    let mapped = system.map(node, frame);
                    let mut slabs = self.lock();
                    if mapped {
                        slabs.add_spare(frame);
                    } else {
                        slabs.put_place(frame);
                    }
                    return mapped;
                }
                Err(Some(first)) => {
                    if !system.map_metadata(node, first) {
                        return false;
                    }
                    let mut slabs = self.lock();
                    // Another CPU may have been faster.
                    if slabs.limit == first {
                        slabs.limit += METADATA_STEP;
                        self.set_limit(slabs.limit);
                    }
                }
                Err(None) => return false,
            }
        }
    }

    /// Breaks up the magazines that the node keeps, some blocks each time that the lock is held.
    pub fn break_up_magazines(&self) {
        while self.lock().break_up_some() {}
    }

    /// Returns spare frames to the system, except for `keep` of them, which were no driver's. Returns how many went.
    ///
    /// [`System::unmap`] may wait for other CPUs, so the caller holds no spin lock and has preemption on.
    pub fn trim(&self, node: usize, system: &impl System, keep: u32) -> u32 {
        let mut gone = 0;
        loop {
            let mut batch = [0; TRIM_BATCH];
            let count = self.take_to_unmap(&mut batch, keep);
            if count == 0 {
                return gone;
            }
            let frames = &batch[..count];
            system.unmap(node, frames);
            for frame in frames {
                self.lock().put_place(*frame);
            }
            gone += count as u32;
        }
    }

    /// Takes frames that are to be unmapped, some each time that the lock is held. Returns how many.
    fn take_to_unmap(&self, to: &mut [u32], keep: u32) -> usize {
        let mut count = 0;
        for some in to.chunks_mut(TRIM_STEP) {
            let taken = self.lock().take_some_to_unmap(some, keep);
            count += taken;
            if taken < some.len() {
                break;
            }
        }
        count
    }
}
