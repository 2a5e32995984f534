//! The third bit of 64 frames: which of them are granted as single frames. It is all of a frame's state that a CPU changes without
//! the node's lock.
use core::sync::atomic::Ordering::Relaxed;

use crate::atomic::AtomicU64;
use crate::word::bit_of;

/// For each of 64 frames, whether the frame is a grant of its own. The [`Word`](crate::word::Word) says only that it is a single
/// frame, so nothing but this bit changes when a cache grants the frame and gets it back.
///
/// One instruction sees that a frame is a grant of its own and takes it back. So of all CPUs that free a frame, one succeeds, and
/// none takes a frame that has become a part of a longer grant: the frames of longer grants never have the bit.
#[derive(Debug)]
#[repr(transparent)]
pub struct Singles(AtomicU64);

impl Singles {
    /// Returns the bits of 64 frames none of which is a grant of its own.
    pub const fn none() -> Self {
        Self(AtomicU64::new(0))
    }

    /// Stores the bits of other frames.
    pub fn copy_from(&self, other: &Self) {
        self.0.store(other.0.load(Relaxed), Relaxed);
    }

    /// Returns true if the frame is a grant of its own.
    #[inline]
    pub fn contain(&self, frame: u64) -> bool {
        self.0.load(Relaxed) & bit_of(frame) != 0
    }

    /// Makes a withheld frame a grant of its own. The frame is the caller's: it is in the caller's cache, or the caller holds the
    /// node's lock.
    #[inline]
    pub fn grant(&self, frame: u64) {
        let before = self.0.fetch_or(bit_of(frame), Relaxed);
        debug_assert!(before & bit_of(frame) == 0, "{frame}");
    }

    /// Takes a frame back: withholds it, if it is a grant of its own. Returns false, with nothing changed, if it is none.
    #[inline]
    pub fn take_back(&self, frame: u64) -> bool {
        let bit = bit_of(frame);
        self.0.fetch_and(!bit, Relaxed) & bit != 0
    }
}
