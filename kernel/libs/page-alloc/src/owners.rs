//! A byte for each frame: whose grant starts there, and whether the frame is a grant of its own. It is all of a frame's state that a CPU
//! changes without the node's lock.
use core::sync::atomic::Ordering::Relaxed;

use crate::atomic::AtomicU8;
use crate::owner::PageOwner;

/// The bytes of the 64 frames of a word.
pub type Owners = [OwnerByte; 64];

/// The owner of the grant that starts with a frame, and whether the frame is a grant of its own. The [`Word`](crate::word::Word) says only
/// that it is a single frame, so nothing but this byte changes when a cache grants the frame and gets it back.
///
/// One instruction sees that a frame is a grant of its own and whose it is, and takes it back. So of all CPUs that free a frame, one
/// succeeds; none takes the frame of another owner, and none takes a frame that has become a part of a longer grant: the frames of
/// longer grants are never [`SINGLE`].
///
/// The byte of a frame that starts no grant has no meaning, apart from that bit.
#[derive(Debug)]
#[repr(transparent)]
pub struct OwnerByte(AtomicU8);

/// Set in the byte of a frame that is a grant of its own. The other bits are the owner's number.
const SINGLE: u8 = 1 << 7;

impl OwnerByte {
    /// Returns the byte of a frame that starts no grant.
    pub const fn none() -> Self {
        Self(AtomicU8::new(0))
    }

    /// Stores the byte of another frame.
    #[cfg(test)]
    pub fn copy_from(&self, other: &Self) {
        self.0.store(other.0.load(Relaxed), Relaxed);
    }

    /// Returns true if the frame is a grant of its own.
    #[inline]
    pub fn is_single(&self) -> bool {
        self.0.load(Relaxed) & SINGLE != 0
    }

    /// Returns true if the frame is a grant of its own, and this owner's.
    #[inline]
    pub fn is_single_of(&self, owner: PageOwner) -> bool {
        self.0.load(Relaxed) == SINGLE | owner.stored()
    }

    /// Returns true if this is the owner of the grant that starts with the frame, if one does.
    #[inline]
    pub fn is_owner(&self, owner: PageOwner) -> bool {
        self.0.load(Relaxed) & !SINGLE == owner.stored()
    }

    /// Returns true if this is the owner of the grant of several that starts with the frame, if one does.
    #[inline(always)]
    pub fn is_owner_of_several(&self, owner: PageOwner) -> bool {
        self.0.load(Relaxed) == owner.stored()
    }

    /// Sets the owner of a grant of several that starts with the frame. The caller holds the node's lock.
    #[inline(always)]
    pub fn set_owner(&self, owner: PageOwner) {
        self.0.store(owner.stored(), Relaxed);
    }

    /// Makes a withheld frame a grant of its own. The frame is the caller's: it is in the caller's cache, or the caller holds the
    /// node's lock.
    #[inline(always)]
    pub fn grant(&self, owner: PageOwner) {
        debug_assert!(!self.is_single());
        self.0.store(SINGLE | owner.stored(), Relaxed);
    }

    /// Takes a frame back: withholds it, if it is a grant of its own, and this owner's. Returns false, with nothing changed, if it is not.
    #[inline(always)]
    pub fn take_back(&self, owner: PageOwner) -> bool {
        self.0.compare_exchange(SINGLE | owner.stored(), 0, Relaxed, Relaxed).is_ok()
    }
}
