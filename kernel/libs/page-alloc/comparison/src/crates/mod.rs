//! The measured crates, with an adapter for each.
mod bitmap;
mod buddy_slab;
mod buddy_system;
mod locked;
mod page_alloc;

pub use bitmap::Bitmap;
pub use buddy_slab::BuddySlab;
pub use buddy_system::BuddySystem;
pub use page_alloc::PageAlloc;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame_allocator::{Crate, FrameAllocator};
    use crate::workloads::HUGE;

    const FRAMES: u64 = 4096;

    fn take_all(allocator: &mut impl FrameAllocator, order: u8) -> Vec<u64> {
        std::iter::from_fn(|| allocator.allocate(order)).collect()
    }

    fn every_frame_is_given_once_and_comes_back<C: Crate>() {
        let mut memory = C::memory(FRAMES);
        for _ in 0..2 {
            let mut allocator = C::alone(&mut memory);
            let huge = take_all(&mut allocator, HUGE);
            // If frame 0 is reserved, its block is not whole.
            assert!([8, 7].contains(&huge.len()), "{}: {huge:?}", C::NAME);
            assert!(huge.iter().all(|frame| frame % 512 == 0), "{}: {huge:?}", C::NAME);
            huge.iter().for_each(|frame| assert!(allocator.free(*frame, HUGE)));

            let mut single = take_all(&mut allocator, 0);
            single.sort_unstable();
            let first = FRAMES - single.len() as u64;
            assert!(first <= 1 && single.iter().copied().eq(first..FRAMES), "{}", C::NAME);
            assert_eq!(allocator.allocate(HUGE), None, "{}", C::NAME);
            single.iter().for_each(|frame| assert!(allocator.free(*frame, 0)));
            allocator.drain();
            assert_eq!(take_all(&mut allocator, HUGE).len(), huge.len(), "{}", C::NAME);
        }
    }

    #[test]
    fn the_adapters_do_what_the_workloads_take_for_granted() {
        every_frame_is_given_once_and_comes_back::<PageAlloc>();
        every_frame_is_given_once_and_comes_back::<BuddySystem>();
        every_frame_is_given_once_and_comes_back::<Bitmap>();
        every_frame_is_given_once_and_comes_back::<BuddySlab>();
    }

    fn threads_share_all_frames<C: Crate>() {
        let mut memory = C::memory(FRAMES);
        let mut threads = C::threads(&mut memory, 2);
        let frame = threads[0].allocate(0).expect("a frame");
        assert!(threads[1].free(frame, 0), "{}", C::NAME);
        threads[1].drain();
        let huge = take_all(&mut threads[0], HUGE).len();
        assert!(huge >= 7, "{}: {huge}", C::NAME);
        assert_eq!(threads[1].allocate(HUGE), None, "{}", C::NAME);
    }

    #[test]
    fn threads_have_one_allocator_between_them() {
        threads_share_all_frames::<PageAlloc>();
        threads_share_all_frames::<BuddySystem>();
        threads_share_all_frames::<Bitmap>();
        threads_share_all_frames::<BuddySlab>();
    }

    /// Returns whether a second free of a frame is refused, and whether a free of half a chunk is.
    fn refuses<C: Crate>() -> [bool; 2] {
        let mut memory = C::memory(FRAMES);
        let mut allocator = C::alone(&mut memory);
        let [frame, chunk] = [0, 4].map(|order| allocator.allocate(order).expect("free frames"));
        assert!(allocator.free(frame, 0));
        [!allocator.free(frame, 0), !allocator.free(chunk, 3)]
    }

    #[test]
    fn wrong_frees_are_refused_as_the_table_says() {
        assert_eq!(refuses::<PageAlloc>(), [true, true]);
        assert_eq!(refuses::<Bitmap>(), [true, false]);
    }
}
