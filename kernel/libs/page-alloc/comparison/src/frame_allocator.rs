//! The interface that every crate gets, so that one harness measures all of them.

/// One thread's view of an allocator of frames.
pub trait FrameAllocator {
    /// Allocates 2^`order` frames, aligned to their size, and returns the first. Returns `None` if there are none.
    fn allocate(&mut self, order: u8) -> Option<u64>;

    /// Frees the frames of one call of [`FrameAllocator::allocate`]. Returns false if the crate refuses the free.
    fn free(&mut self, frame: u64, order: u8) -> bool;

    /// Returns the frames that the thread caches.
    fn drain(&mut self) {}
}

/// A crate, and how to build an allocator of it.
pub trait Crate {
    /// The name in commands and tables.
    const NAME: &'static str;

    /// The version.
    const VERSION: &'static str;

    /// The memory that an allocator is built in.
    type Memory;

    /// An allocator for a single thread, as the crate provides it.
    type Alone<'m>: FrameAllocator;

    /// One of several threads' view of an allocator.
    type Thread<'m>: FrameAllocator + Send;

    /// Returns memory in which allocators over so many frames can be built, one after the other.
    fn memory(frames: u64) -> Self::Memory;

    /// Builds an allocator over all frames. All of them are free, except frame 0 if the crate reserves it.
    fn alone(memory: &mut Self::Memory) -> Self::Alone<'_>;

    /// Builds an allocator over all frames for so many threads, behind a spin lock if the crate does not support threads.
    fn threads(memory: &mut Self::Memory, count: usize) -> Vec<Self::Thread<'_>>;

    /// Returns the bytes of metadata outside the heap.
    fn metadata_beside_heap(_memory: &Self::Memory) -> u64 {
        0
    }

    /// What the crate offers besides speed.
    const ABILITIES: Abilities;
}

/// What a crate offers, in a few words for the table.
pub struct Abilities {
    /// The wrong frees that it refuses.
    pub refuses: &'static str,
    /// Whether it separates nodes.
    pub nodes: &'static str,
    /// The runs of frames that it allocates.
    pub runs: &'static str,
    /// Whether a request can have a highest address.
    pub highest_address: &'static str,
    /// How several threads share it.
    pub threads: &'static str,
    /// The location of its metadata.
    pub metadata: &'static str,
}
