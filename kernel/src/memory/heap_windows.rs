//! Where the heaps lie, and the frames behind their windows.
use super::allocate::{self, Zeroed};
use super::frame_chain::FrameChain;
use super::page_tables;
use super::page_uses::PageUse;
use crate::arch::{MapError, PageKind};
use ::address_space::layout::{HEAP_METADATA, HEAP_METADATA_WINDOW, HEAP_WINDOW, HEAPS};
use arrayvec::ArrayVec;
use node_heap::{METADATA_STEP, Metadata, RECORD_BYTES, STATES_PER_FRAME, System, TRIM_BATCH, Window};
use units::{FRAME_SIZE, FrameNumber, FrameRange, NodeId, VirtAddr};

/// Where the records begin in the metadata of a node. The states are in front of them.
const RECORDS: u64 = HEAP_WINDOW / FRAME_SIZE * STATES_PER_FRAME as u64;
const _: () = assert!(RECORDS + HEAP_WINDOW / FRAME_SIZE * RECORD_BYTES as u64 <= HEAP_METADATA_WINDOW);
const _: () = assert!(HEAP_WINDOW / FRAME_SIZE <= Window::LARGEST as u64);
const _: () = assert!(METADATA_STEP as u64 * STATES_PER_FRAME as u64 == FRAME_SIZE);

/// The tables on the way to a page, without the root.
const MOST_TABLES: u64 = 3;

fn window_start(node: usize) -> VirtAddr {
    VirtAddr(HEAPS.0 + node as u64 * HEAP_WINDOW)
}

fn metadata_start(node: usize) -> VirtAddr {
    VirtAddr(HEAP_METADATA.0 + node as u64 * HEAP_METADATA_WINDOW)
}

fn page_of(node: usize, frame: u32) -> VirtAddr {
    VirtAddr(window_start(node).0 + u64::from(frame) * FRAME_SIZE)
}

/// Returns the window of a node's heap.
///
/// # Safety
/// This is the only call for the node.
pub unsafe fn window(node: NodeId) -> Window<'static> {
    let pointer = |address: u64| core::ptr::with_exposed_provenance_mut(address as usize);
    let metadata = metadata_start(node.index()).0;
    let metadata = Metadata { states: pointer(metadata), records: pointer(metadata + RECORDS) };
    // SAFETY: `layout` gives these addresses to the heap of the node alone, and by `# Safety` there is no other. `HeapFrames` maps them.
    unsafe { Window::new(pointer(window_start(node.index()).0), (HEAP_WINDOW / FRAME_SIZE) as u32, metadata) }
}

/// The frames of the machine's nodes, for the heaps.
pub struct HeapFrames;

// SAFETY: `map_one` maps a page of the heap to a frame that it has just allocated, and which is freed only after `unmap` has
// unmapped it. Metadata stays mapped.
unsafe impl System for HeapFrames {
    fn map(&self, node: usize, frame: u32) -> bool {
        NodeId::new(node).is_some_and(|of| map_one(of, page_of(node, frame), Zeroed::No).is_ok())
    }

    fn unmap(&self, node: usize, frames: &[u32]) {
        let pages = || frames.iter().map(|frame| page_of(node, *frame));
        let mapped: ArrayVec<_, TRIM_BATCH> = pages().filter_map(page_tables::translate).collect();
        // SAFETY: the frames are the heap's spare ones, so nothing uses the pages.
        unsafe { page_tables::unmap_each(pages()) };
        for address in mapped {
            // `map_one` has allocated the frame for the kernel, so the free is not refused.
            let _ = allocate::free_for_kernel(PageUse::Heaps, FrameNumber::containing(address), 1);
        }
    }

    fn map_metadata(&self, node: usize, first: u32) -> bool {
        let Some(of) = NodeId::new(node) else { return false };
        let start = metadata_start(node).0;
        let states = VirtAddr(start + u64::from(first) * STATES_PER_FRAME as u64);
        let record = u64::from(first) * RECORD_BYTES as u64;
        let is_backed = |page| match map_one(of, page, Zeroed::Yes) {
            // Another CPU was faster.
            Ok(()) | Err(MapError::InUse(_)) => true,
            Err(MapError::NoFrame(_)) => false,
        };
        is_backed(states)
            && (!record.is_multiple_of(FRAME_SIZE) || is_backed(VirtAddr(start + RECORDS + record)))
    }
}

/// Maps a page of the heap of `node` to a new frame of the node. Missing tables are of the node, too.
fn map_one(node: NodeId, page: VirtAddr, zeroed: Zeroed) -> Result<(), MapError> {
    let no_frame = MapError::NoFrame(page);
    let frame = allocate::allocate_for_kernel_on(PageUse::Heaps, node, 1, zeroed).ok_or(no_frame)?.frame;
    let frames = FrameRange::new(frame.0, frame.0 + 1);
    let mut no_tables = FrameChain::EMPTY;
    // SAFETY: the frame was allocated above, so nothing else uses it. The page is the heap's.
    let mut mapped = unsafe { page_tables::map_with(page, frames, PageKind::Data, &mut no_tables) };
    if let Err(MapError::NoFrame(_)) = mapped
        && let Some(mut tables) = FrameChain::allocate_on(node, MOST_TABLES)
    {
        // SAFETY: as above. The tables' frames come from the chain and are never freed.
        mapped = unsafe { page_tables::map_with(page, frames, PageKind::Data, &mut tables) };
    }
    if mapped.is_err() {
        // It was allocated above, so the free is not refused.
        let _ = allocate::free_for_kernel(PageUse::Heaps, frame, 1);
    }
    mapped
}
