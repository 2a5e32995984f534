//! An allocator that does not support threads, behind a spin lock, as its users have it.
use std::sync::Arc;

use crate::frame_allocator::FrameAllocator;

/// One thread's view of the allocator.
pub struct Locked<A>(Arc<spin::Mutex<A>>);

impl<A> Locked<A> {
    /// Returns a view for each of so many threads.
    pub fn threads(allocator: A, count: usize) -> Vec<Self> {
        let shared = Arc::new(spin::Mutex::new(allocator));
        (0..count).map(|_| Self(Arc::clone(&shared))).collect()
    }
}

impl<A: FrameAllocator> FrameAllocator for Locked<A> {
    #[inline(always)]
    fn allocate(&mut self, order: u8) -> Option<u64> {
        self.0.lock().allocate(order)
    }

    #[inline(always)]
    fn free(&mut self, frame: u64, order: u8) -> bool {
        self.0.lock().free(frame, order)
    }
}
