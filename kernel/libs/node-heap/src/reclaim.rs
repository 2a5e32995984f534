//! What an owner has in use, and taking all of it back.
use crate::atomic::Ordering;
use crate::node_heap::NodeHeap;
use crate::owner::OwnerId;
use crate::window::{first_granule, frame_of};
use lock_api::RawMutex;

/// Granules whose blocks are looked at while the lock is held once: a part of a frame.
const STEP: u32 = u32::BITS;

impl<L: RawMutex> NodeHeap<'_, L> {
    /// Returns the number of blocks that the owner has in use on this node, and their bytes. An owner that has slabs costs a step for
    /// each frame of the window that was ever used; the node's lock is held for a quarter of a frame at a time.
    pub fn in_use_by(&self, owner: OwnerId) -> (usize, usize) {
        let (mut blocks, mut bytes) = (0, 0);
        self.each_of(owner, |size, granule| {
            // SAFETY: `each_of` names granules of slabs, whose frames have metadata.
            if unsafe { self.window.state(granule as usize) }.load(Ordering::Relaxed) != 0 {
                blocks += 1;
                bytes += size;
            }
            false
        });
        (blocks, bytes)
    }

    /// Takes back all blocks that the owner has in use on this node, and returns how many. The caller knows that the owner uses none
    /// of them any more.
    pub fn take_back_all(&self, owner: OwnerId) -> usize {
        let mut blocks = 0;
        self.each_of(owner, |_, granule| {
            // SAFETY: `each_of` names granules of slabs, whose frames have metadata.
            let was_in_use = unsafe { self.window.state(granule as usize) }.swap(0, Ordering::Relaxed) != 0;
            blocks += usize::from(was_in_use);
            was_in_use
        });
        blocks
    }

    /// Calls `visit` with the size and granule of each block of the owner that is in no slab. The block goes to its slab if `visit`
    /// returns true.
    fn each_of(&self, owner: OwnerId, mut visit: impl FnMut(usize, u32) -> bool) {
        if !self.lock().has_slab_of(owner) {
            return;
        }
        let mut granule = first_granule(1);
        while granule < self.limit() {
            granule = self.visit_some(owner, granule, &mut visit);
        }
    }

    /// Does what [`NodeHeap::each_of`] does for the blocks that begin in [`STEP`] granules from `first` on, while the lock is held.
    /// Returns where to go on.
    fn visit_some(&self, owner: OwnerId, first: u32, mut visit: impl FnMut(usize, u32) -> bool) -> u32 {
        let frame = frame_of(first);
        let mut slabs = self.lock();
        let Some((class, outside)) = slabs.outside(frame, owner) else { return first_granule(frame + 1) };
        let mut bits = (outside[(first / u64::BITS % 2) as usize] >> (first % u64::BITS)) as u32;
        let mut back = [0; STEP as usize];
        let mut count = 0;
        while bits != 0 {
            let granule = first + bits.trailing_zeros();
            bits &= bits - 1;
            if visit(class.size(), granule) {
                back[count] = granule;
                count += 1;
            }
        }
        // They are few, and of one frame: none is left.
        slabs.put_back_some(&back[..count]);
        first + STEP
    }
}
