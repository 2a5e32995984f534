//! The size of the metadata: the growth of the heap, and the bytes outside the heap.
use crate::frame_allocator::{Crate, FrameAllocator};
use crate::workloads::FRAMES;

/// Bytes of metadata for each frame of 16 GiB.
#[derive(Clone, Copy, Debug)]
pub struct Metadata {
    /// While all frames are free.
    pub fresh: f64,
    /// While every second frame is free.
    pub scattered: f64,
}

/// Measures a crate's metadata.
pub fn metadata<C: Crate>() -> Metadata {
    let mut held = vec![0; FRAMES as usize];
    let before = heap_bytes();
    let mut memory = C::memory(FRAMES);
    let beside = C::metadata_beside_heap(&memory);
    let mut allocator = C::alone(&mut memory);
    let bytes_a_frame = || (heap_bytes() - before + beside) as f64 / FRAMES as f64;
    let fresh = bytes_a_frame();
    let mut count = 0;
    while let Some(frame) = allocator.allocate(0) {
        held[count] = frame;
        count += 1;
    }
    let (held, _) = held.split_at(count);
    held.iter().filter(|frame| **frame % 2 == 1).for_each(|frame| assert!(allocator.free(*frame, 0)));
    Metadata { fresh, scattered: bytes_a_frame() }
}

/// Returns the bytes in use on the C library's heap.
fn heap_bytes() -> u64 {
    // SAFETY: `mallinfo2` has no preconditions; it only reads the heap's statistics.
    let info = unsafe { libc::mallinfo2() };
    (info.uordblks + info.hblkhd) as u64
}
