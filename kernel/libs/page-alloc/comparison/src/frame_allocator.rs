//! The face that all crates get, so that one harness measures them.

/// An allocator of frames, as one thread has it.
pub trait FrameAllocator {
    /// The first of 2^`order` frames, aligned to as many; `None` when there are none.
    fn allocate(&mut self, order: u8) -> Option<u64>;

    /// Takes back what one call of [`FrameAllocator::allocate`] gave. `false`: refused, where the crate can tell.
    fn free(&mut self, frame: u64, order: u8) -> bool;

    /// Gives back what this thread keeps for itself.
    fn drain(&mut self) {}
}

/// A crate, and how its users build an allocator of it.
pub trait Crate {
    /// Its name in commands and tables.
    const NAME: &'static str;

    /// Its version.
    const VERSION: &'static str;

    /// What it is given to build in.
    type Memory;

    /// An allocator for one thread alone, as bare as the crate has it.
    type Alone<'m>: FrameAllocator;

    /// One of several threads' view of an allocator.
    type Thread<'m>: FrameAllocator + Send;

    /// Memory to build an allocator over so many frames in, again and again.
    fn memory(frames: u64) -> Self::Memory;

    /// An allocator over all frames, all of them free but for frame 0 where the crate keeps that back.
    fn alone(memory: &mut Self::Memory) -> Self::Alone<'_>;

    /// The same for so many threads: behind a spin lock, where the crate knows no threads.
    fn threads(memory: &mut Self::Memory, count: usize) -> Vec<Self::Thread<'_>>;

    /// Bytes of metadata that do not lie on the heap.
    fn metadata_beside_heap(_memory: &Self::Memory) -> u64 {
        0
    }

    /// What it offers beside speed.
    const ABILITIES: Abilities;
}

/// What a crate offers, each as a word or two for the table.
pub struct Abilities {
    /// Which wrong frees it refuses.
    pub refuses: &'static str,
    /// Whether it keeps nodes apart.
    pub nodes: &'static str,
    /// Which runs of frames it gives.
    pub runs: &'static str,
    /// Whether a highest address can be asked for.
    pub highest_address: &'static str,
    /// What it is, for several threads.
    pub threads: &'static str,
    /// Where its metadata is.
    pub metadata: &'static str,
}
