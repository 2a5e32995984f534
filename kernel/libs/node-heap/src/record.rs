//! What the heap knows of a frame: which blocks are in the slab, and its place in a list.
use crate::class::Class;
use crate::owner::OwnerId;
use core::cell::Cell;
use core::sync::atomic::{AtomicU8, Ordering::Relaxed};

/// The record of a frame. A record of zeros is that of a frame that was never used.
///
/// Only the holder of the node's lock uses it, except for the owner, which any CPU may read.
#[repr(C, align(32))]
pub(crate) struct Record {
    /// The blocks that are in the slab, by their first granule: bit n of word n / 64.
    pub free: [Cell<u64>; 2],
    /// The next frame of the list that the frame is in; 0 is none.
    pub next: Cell<u32>,
    /// The frame before it in the list of slabs; 0 is none.
    pub prev: Cell<u32>,
    /// How many blocks are in the slab.
    pub count: Cell<u16>,
    /// The class of the blocks; 0 while the frame is no slab.
    class: Cell<u8>,
    /// The owner of the blocks. Does not change while a block is in use.
    pub owner: AtomicU8,
}

impl Record {
    /// Makes the frame a slab, with all its blocks in it.
    pub fn begin(&self, class: Class, owner: OwnerId) {
        let [low, high] = class.starts();
        self.free[0].set(low);
        self.free[1].set(high);
        self.count.set(class.blocks());
        self.class.set(class.index() as u8);
        self.owner.store(owner.index() as u8, Relaxed);
    }

    /// Makes the frame no slab.
    pub fn end(&self) {
        self.class.set(0);
        self.owner.store(0, Relaxed);
    }

    /// Returns the class and the owner, or `None` if the frame is no slab.
    #[inline(always)]
    pub fn slab(&self) -> Option<(Class, OwnerId)> {
        let owner = OwnerId::new(self.owner.load(Relaxed).into())?;
        Some((Class::from_index(self.class.get().into())?, owner))
    }

    /// Returns the blocks that are not in the slab: in use or in magazines.
    pub fn outside(&self, class: Class) -> [u64; 2] {
        let [low, high] = class.starts();
        [low & !self.free[0].get(), high & !self.free[1].get()]
    }
}
