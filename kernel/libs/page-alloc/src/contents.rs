//! The part of a CPU's cache that other CPUs see: a ring of frames in the caller's memory.
use core::alloc::Layout;
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use units::NodeId;

use crate::atomic::AtomicU64;

/// The number of frames that a cache has room for: 2 MiB. A CPU that takes or frees hundreds in a row needs the node's lock once
/// in a few hundred calls.
#[cfg(not(loom))]
pub const CACHE_FRAMES: usize = 512;

/// The number of frames that a cache has room for in a model, whose threads have small stacks.
#[cfg(loom)]
pub const CACHE_FRAMES: usize = 64;

/// A cache as any CPU can see it, at the moment of the call.
#[derive(Clone, Copy)]
pub struct CacheView<'m>(&'m Contents<'m>);

impl<'m> CacheView<'m> {
    pub(crate) const fn new(contents: &'m Contents<'m>) -> Self {
        Self(contents)
    }

    /// Returns the node whose frames the cache holds, or `None` if the CPU has no cache.
    pub fn node(&self) -> Option<NodeId> {
        self.0.node
    }

    /// Returns the number of frames in the cache.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns true if the cache is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the number of frames that the cache has granted since it was made.
    pub fn granted(&self) -> u64 {
        self.0.granted()
    }
}

/// The ring of a cache, and the link to the node's next cache.
pub struct Contents<'m> {
    /// The node of the frames; `None` if the cache never has any.
    pub node: Option<NodeId>,
    next: Option<&'m Contents<'m>>,
    pub ring: Ring,
}

/// The frames. They come and go at the top. The oldest ones are returned to the node at the bottom.
#[repr(align(128))]
pub struct Ring {
    /// The entries from `bottom` to below `top` are in the cache. Both count in units of [`STEP`]; [`slot`] turns them into an
    /// index.
    pub top: AtomicU64,
    pub bottom: AtomicU64,
    pub granted: AtomicU64,
    /// The other entries hold frames that were in the cache before.
    pub frames: [AtomicU64; CACHE_FRAMES],
}

/// The distance from one entry to the next, in bytes, so that one instruction turns a position into an entry's address.
pub const STEP: u64 = size_of::<u64>() as u64;

/// The length of the ring.
pub const ALL: u64 = CACHE_FRAMES as u64 * STEP;

/// An entry without a frame.
const NO_FRAME: u64 = u64::MAX;

/// Returns the ring's index at a position.
#[inline]
pub fn slot(position: u64) -> usize {
    (position / STEP) as usize % CACHE_FRAMES
}

/// Adds to a number that only this CPU writes.
#[inline]
pub fn add(number: &AtomicU64, more: u64) {
    number.store(number.load(Relaxed).wrapping_add(more), Relaxed);
}

impl<'m> Contents<'m> {
    /// Returns an empty ring.
    pub const fn empty(node: Option<NodeId>, next: Option<&'m Self>) -> Self {
        Self {
            node,
            next,
            ring: Ring {
                top: AtomicU64::new(0),
                bottom: AtomicU64::new(0),
                granted: AtomicU64::new(0),
                frames: [const { AtomicU64::new(NO_FRAME) }; CACHE_FRAMES],
            },
        }
    }

    /// Returns the layout of a ring.
    pub const fn layout() -> Layout {
        Layout::new::<Self>()
    }

    /// Returns this cache and the node's further ones.
    pub fn chain(first: Option<&'m Self>) -> impl Iterator<Item = &'m Self> {
        core::iter::successors(first, |cache| cache.next)
    }

    /// Returns the number of frames in the cache.
    #[inline]
    pub fn len(&self) -> usize {
        // The cache's CPU may change both meanwhile. The bottom never passes the top that is read after it.
        let bottom = self.ring.bottom.load(Acquire);
        let len = self.ring.top.load(Relaxed).wrapping_sub(bottom) / STEP;
        len.min(CACHE_FRAMES as u64) as usize
    }

    /// Returns the number of frames that the cache has granted.
    pub fn granted(&self) -> u64 {
        self.ring.granted.load(Relaxed)
    }

    /// Publishes a new bottom, after the frames below it were returned.
    pub fn set_bottom(&self, bottom: u64) {
        self.ring.bottom.store(bottom, Release);
    }
}
