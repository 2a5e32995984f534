//! Two bits each for 64 frames: the state of every frame, changed and checked a word at a time.
use core::sync::atomic::Ordering::Relaxed;

use crate::atomic::AtomicU64;

/// The state of a frame. The bits are (`free`, `head`), and the one of a grant of its own in [`Owners`](crate::owners::Owners).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FrameState {
    /// (1, 0): the frame can be granted.
    Free,
    /// (0, 1): the first frame of a grant of several. The next frame is inside that grant.
    Head,
    /// (0, 0): a further frame of the grant that starts before it.
    Inside,
    /// (0, 1), and the third bit is set: a grant of its own.
    Single,
    /// (0, 1), and the next frame is not inside a grant: a single frame that is in a CPU's cache, or hot.
    Withheld,
    /// (1, 1): the lists do not have the frame. It was never added (a hole, another node's frame, or memory in use since
    /// boot), or it is offline, in a hot chunk of several frames, or the first frame of a kernel-owned grant.
    Reserved,
}

/// The states of 64 frames. A single frame, granted or withheld, looks like the first of a grant here.
///
/// Only the holder of the node's lock reads or changes a word. It is atomic so that references to it can be shared.
#[derive(Debug)]
pub struct Word {
    free: AtomicU64,
    head: AtomicU64,
}

impl Word {
    /// Returns a word whose frames are all free.
    #[cfg(test)]
    pub const fn all_free() -> Self {
        Self { free: AtomicU64::new(!0), head: AtomicU64::new(0) }
    }

    /// Returns a word whose frames are all reserved.
    pub const fn all_reserved() -> Self {
        Self { free: AtomicU64::new(!0), head: AtomicU64::new(!0) }
    }

    /// Stores the states of another word.
    #[cfg(test)]
    pub fn copy_from(&self, other: &Self) {
        self.free.store(other.free(), Relaxed);
        self.head.store(other.head(), Relaxed);
    }

    /// Makes all frames free, or reserved.
    pub fn set_all(&self, free: bool) {
        self.free.store(!0, Relaxed);
        self.head.store(if free { 0 } else { !0 }, Relaxed);
    }

    /// Loads the `free` bits.
    #[inline]
    pub fn free(&self) -> u64 {
        self.free.load(Relaxed)
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

    /// Returns the state of a frame, as far as this word tells: [`FrameState::Head`] also for a single frame.
    pub fn state(&self, frame: u64) -> FrameState {
        let bit = bit_of(frame);
        match (self.free() & bit != 0, self.head() & bit != 0) {
            (true, false) => FrameState::Free,
            (false, true) => FrameState::Head,
            (false, false) => FrameState::Inside,
            (true, true) => FrameState::Reserved,
        }
    }

    /// Grants free frames, as a grant of several or a part of one. `heads` is the one of them that starts the grant, or 0.
    pub fn grant_free(&self, frames: u64, heads: u64) {
        set(&self.head, heads);
        clear(&self.free, frames);
    }

    /// Makes free frames single ones, which are withheld until they are granted.
    #[inline]
    pub fn withhold_free(&self, frames: u64) {
        self.grant_free(frames, frames);
    }

    /// Makes granted, withheld or reserved frames free.
    #[inline]
    pub fn release(&self, frames: u64) {
        set(&self.free, frames);
        clear(&self.head, frames);
    }

    /// Reserves free frames.
    #[inline]
    pub fn reserve_free(&self, frames: u64) {
        set(&self.head, frames);
    }

    /// Reserves frames of a grant of several.
    #[inline]
    pub fn reserve_granted(&self, frames: u64) {
        set(&self.free, frames);
        set(&self.head, frames);
    }

    /// Grants reserved frames, as a grant of several or a part of one. `heads` is the one of them that starts the grant, or 0.
    #[inline]
    pub fn grant_reserved(&self, frames: u64, heads: u64) {
        clear(&self.head, frames & !heads);
        clear(&self.free, frames);
    }

    /// Grants reserved frames to the kernel. The first frame of the grant stays reserved; `others` are the ones behind it.
    #[inline]
    pub fn grant_reserved_to_kernel(&self, others: u64) {
        self.grant_reserved(others, 0);
    }

    /// Makes the first frame of a grant reserved, which protects the grant, or undoes that. A single frame is withheld. Returns false, with
    /// nothing changed, if the frame is in the wanted state already.
    pub fn set_kernel_owned(&self, frame: u64, owned: bool) -> bool {
        let bit = bit_of(frame);
        let changes = (self.free() & bit != 0) != owned;
        if changes {
            self.free.store(self.free() ^ bit, Relaxed);
        }
        changes
    }

    /// Returns true if `count` frames, at least two, are a grant of the kernel or of others. They end before the word does.
    #[inline(always)]
    pub fn is_grant(&self, frame: u64, count: u64, kernel_owned: bool) -> bool {
        let free = self.free();
        let not_inside = (free | self.head()) >> (frame % 64);
        let next = 1 << (count % 64);
        // Of these frames and the next one, only the first and the next are not inside. A first frame that is not free is a head. One
        // with the bit is reserved: no free frame has a frame behind it that is inside.
        not_inside & (2 * next - 1) == next | 1 && free >> (frame % 64) & 1 == u64::from(kernel_owned)
    }
}

/// Sets bits of a number that only the lock's holder writes.
#[inline]
fn set(number: &AtomicU64, bits: u64) {
    number.store(number.load(Relaxed) | bits, Relaxed);
}

/// Clears bits of a number that only the lock's holder writes.
#[inline]
fn clear(number: &AtomicU64, bits: u64) {
    number.store(number.load(Relaxed) & !bits, Relaxed);
}

/// Returns the bit of a frame in the word that has it.
#[inline]
pub fn bit_of(frame: u64) -> u64 {
    1 << (frame % 64)
}

/// Returns the bits of `count` frames, fewer than 64, that lie in one word.
#[inline]
pub fn bits_of(frame: u64, count: u64) -> u64 {
    ((1 << (count % 64)) - 1) << (frame % 64)
}

/// Returns the number of frames with these bits. Most words are whole, and not every CPU counts bits in one instruction.
#[inline]
pub fn count_of(bits: u64) -> u32 {
    if bits == !0 { 64 } else { bits.count_ones() }
}
