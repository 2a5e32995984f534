//! What an owner has in use, and taking all of it back.
use crate::FRAME_GRANULES;
use crate::atomic::Ordering;
use crate::node_heap::NodeHeap;
use crate::owner::OwnerId;
use crate::window::first_granule;
use lock_api::RawMutex;

impl<L: RawMutex> NodeHeap<'_, L> {
    /// Returns the number of blocks that the owner has in use on this node, and their bytes. A step for each frame of the window
    /// that was ever used; the node's lock is held for one frame at a time.
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
        let mut frame = 1;
        while first_granule(frame) < self.limit() {
            let mut slabs = self.lock();
            if let Some((class, outside)) = slabs.outside(frame, owner) {
                let mut back = [0; FRAME_GRANULES];
                let mut count = 0;
                for (word, mut bits) in outside.into_iter().enumerate() {
                    while bits != 0 {
                        let granule = first_granule(frame) + word as u32 * u64::BITS + bits.trailing_zeros();
                        bits &= bits - 1;
                        if visit(class.size(), granule) {
                            back[count] = granule;
                            count += 1;
                        }
                    }
                }
                slabs.put_back(&back[..count]);
            }
            drop(slabs);
            frame += 1;
        }
    }
}
