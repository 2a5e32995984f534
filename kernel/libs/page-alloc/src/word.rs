//! Two bits each for 64 frames: the state of every frame, changed and checked a word at a time.
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use crate::atomic::AtomicU64;

/// The state of a frame. The bits are (`free`, `head`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FrameState {
    /// (1, 0): the frame can be granted.
    Free,
    /// (0, 1): the first frame of a grant.
    Head,
    /// (0, 0): a further frame of the grant that starts before it.
    Inside,
    /// (1, 1): the lists do not have the frame. It was never added (a hole, another node's frame, or memory in use since
    /// boot), or it is offline, in a CPU's cache, in a hot chunk, or the first frame of a kernel-owned grant.
    Reserved,
}

/// The states of 64 frames. Both bits of a frame share a cache line.
///
/// The holder of the node's lock changes the bits of frames that are free, reserved, or granted and being freed. Without the
/// lock, a CPU flips the `free` bit of the frames in its own cache. Every change therefore touches only its own frames' bits.
///
/// The steps of one change are ordered so that a frame never looks like the inside of a grant when it is not. A frame also
/// never looks like a grant of its own while a longer grant is being made: the first frame's `free` bit is cleared last.
#[derive(Debug)]
pub struct Word {
    free: AtomicU64,
    head: AtomicU64,
}

impl Word {
    /// Returns a word whose frames are all free.
    pub const fn all_free() -> Self {
        Self { free: AtomicU64::new(!0), head: AtomicU64::new(0) }
    }

    /// Returns a word whose frames are all reserved.
    pub const fn all_reserved() -> Self {
        Self { free: AtomicU64::new(!0), head: AtomicU64::new(!0) }
    }

    /// Stores the states of another word.
    pub fn copy_from(&self, other: &Self) {
        self.free.store(other.free(), Relaxed);
        self.head.store(other.head(), Relaxed);
    }

    /// Loads the `free` bits. A reader without the lock loads them before `head`: if it sees a grant here, it then sees all of
    /// that grant's `head` bits.
    #[inline]
    pub fn free(&self) -> u64 {
        self.free.load(Acquire)
    }

    /// Loads the `head` bits.
    #[inline]
    pub fn head(&self) -> u64 {
        self.head.load(Relaxed)
    }

    /// Returns the frames that are free.
    #[inline]
    pub fn available(&self) -> u64 {
        self.free() & !self.head()
    }

    /// Returns the frames that are not inside a grant: all but its first frame are.
    #[inline]
    pub fn not_inside(&self) -> u64 {
        self.free() | self.head()
    }

    /// Returns the state of a frame.
    pub fn state(&self, frame: u64) -> FrameState {
        let bit = bit_of(frame);
        match (self.free() & bit != 0, self.head() & bit != 0) {
            (true, false) => FrameState::Free,
            (false, true) => FrameState::Head,
            (false, false) => FrameState::Inside,
            (true, true) => FrameState::Reserved,
        }
    }

    /// Grants free frames. `heads` are those of them that start a grant.
    pub fn grant_free(&self, frames: u64, heads: u64) {
        self.head.fetch_or(heads, Relaxed);
        self.free.fetch_and(!frames, Release);
    }

    /// Makes granted or reserved frames free.
    pub fn release(&self, frames: u64) {
        self.free.fetch_or(frames, Relaxed);
        self.head.fetch_and(!frames, Relaxed);
    }

    /// Reserves free frames.
    pub fn reserve_free(&self, frames: u64) {
        self.head.fetch_or(frames, Relaxed);
    }

    /// Makes reserved frames free.
    pub fn release_reserved(&self, frames: u64) {
        self.head.fetch_and(!frames, Relaxed);
    }

    /// Reserves granted frames, which are a grant and lie in this word, or in this word and its neighbours.
    pub fn reserve_granted(&self, frames: u64) {
        self.free.fetch_or(frames, Release);
        self.head.fetch_or(frames, Relaxed);
    }

    /// Grants reserved frames. `heads` are those of them that start a grant.
    pub fn grant_reserved(&self, frames: u64, heads: u64) {
        // In this order: with the other bit first, each frame would look like a grant of its own for a moment.
        self.head.fetch_and(!frames | heads, Relaxed);
        self.free.fetch_and(!frames, Release);
    }

    /// Grants one reserved frame.
    #[inline]
    pub fn grant_reserved_single(&self, frame: u64) {
        self.free.fetch_and(!bit_of(frame), Relaxed);
    }

    /// Reserves a frame that is a grant of its own. Returns false, with nothing changed, if another CPU has taken the frame
    /// back at the same moment.
    #[inline]
    pub fn reserve_single(&self, frame: u64) -> bool {
        let bit = bit_of(frame);
        self.free.fetch_or(bit, Release) & bit == 0
    }

    /// Reserves `count` frames, which are a grant of their own and lie in this word. Returns false, with nothing changed, if
    /// another CPU has taken a single frame back at the same moment.
    #[inline]
    pub fn reserve_grant(&self, frame: u64, count: u64) -> bool {
        if count == 1 {
            return self.reserve_single(frame);
        }
        self.reserve_granted(frames_from(frame, count));
        true
    }

    /// Makes `count` reserved frames, which lie in this word, a grant of their own.
    #[inline]
    pub fn grant_reserved_run(&self, frame: u64, count: u64) {
        if count == 1 {
            return self.grant_reserved_single(frame);
        }
        self.grant_reserved(frames_from(frame, count), bit_of(frame));
    }

    /// Makes the first frame of a grant reserved, which protects the grant, or undoes that. Returns false, with nothing
    /// changed, if the frame is in the wanted state already.
    pub fn set_kernel_owned(&self, frame: u64, owned: bool) -> bool {
        let bit = bit_of(frame);
        if owned {
            self.free.fetch_or(bit, Relaxed) & bit == 0
        } else {
            self.free.fetch_and(!bit, Relaxed) & bit != 0
        }
    }

    /// Returns true if the frame is a grant of its own, as far as this word tells. Returns false for the word's last frame.
    #[inline]
    pub fn is_single(&self, frame: u64) -> bool {
        let free = self.free();
        let not_inside = free | self.head();
        // For all 64 frames at once: those that start a grant and whose next frame is not inside one.
        let single = (not_inside ^ free) & not_inside >> 1;
        single >> (frame % 64) & 1 != 0
    }

    /// Returns true if `count` frames are a grant of their own. They end before the word does.
    #[inline(always)]
    pub fn is_grant(&self, frame: u64, count: u64) -> bool {
        if count == 1 {
            return self.is_single(frame);
        }
        let free = self.free();
        let not_inside = (free | self.head()) >> (frame % 64);
        let next = 1 << (count % 64);
        // Of these frames and the next one, only the first and the next are not inside; and the first is not free.
        not_inside & (2 * next - 1) == next | 1 && free >> (frame % 64) & 1 == 0
    }
}

fn bit_of(frame: u64) -> u64 {
    1 << (frame % 64)
}

/// Returns the bits of `count` frames, fewer than 64, that lie in one word.
fn frames_from(frame: u64, count: u64) -> u64 {
    ((1 << (count % 64)) - 1) << (frame % 64)
}
