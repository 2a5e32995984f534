//! `buddy-slab-allocator`: its page half, a buddy system with a record for each page in front of the pages.
use buddy_slab_allocator::BuddyAllocator;
use memmap2::{MmapMut, MmapOptions};

use super::locked::Locked;
use crate::frame_allocator::{Abilities, Crate, FrameAllocator};

/// The crate.
pub struct BuddySlab;

const PAGE_BYTES: usize = 4096;
/// Bytes of a page's record.
const RECORD_BYTES: usize = 12;
/// The alignment of the first page, which bounds that of the chunks.
const PAGES_ALIGNMENT: usize = 1 << 30;

/// A run of addresses to which only the records are written, so that it costs no memory.
pub struct Region {
    mapping: MmapMut,
    frames: usize,
}

impl Region {
    fn records_bytes(&self) -> usize {
        // The allocator's own structure fits in the page that is added.
        (self.frames * RECORD_BYTES).next_multiple_of(PAGE_BYTES) + PAGE_BYTES
    }

    /// Returns the region, whose pages start aligned directly behind the records.
    fn bytes(&mut self) -> &mut [u8] {
        let (records, pages) = (self.records_bytes(), self.frames * PAGE_BYTES);
        let start = (self.mapping.as_ptr() as usize + records).next_multiple_of(PAGES_ALIGNMENT)
            - self.mapping.as_ptr() as usize
            - records;
        &mut self.mapping[start..start + records + pages]
    }
}

/// The allocator, and the address of its first page.
pub struct Pages {
    buddy: BuddyAllocator<PAGE_BYTES>,
    start: usize,
}

impl FrameAllocator for Pages {
    #[inline(always)]
    fn allocate(&mut self, order: u8) -> Option<u64> {
        let address = self.buddy.alloc_pages(1 << order, PAGE_BYTES << order).ok()?;
        Some(((address - self.start) / PAGE_BYTES) as u64)
    }

    #[inline(always)]
    fn free(&mut self, frame: u64, order: u8) -> bool {
        self.buddy.dealloc_pages(self.start + frame as usize * PAGE_BYTES, 1 << order);
        true
    }
}

impl Crate for BuddySlab {
    const NAME: &'static str = "buddy-slab-allocator";
    const VERSION: &'static str = "0.6.1";

    type Memory = Region;
    type Alone<'m> = Pages;
    type Thread<'m> = Locked<Pages>;

    fn memory(frames: u64) -> Region {
        let frames = frames as usize;
        let bytes = frames * (PAGE_BYTES + RECORD_BYTES) + 2 * PAGE_BYTES + PAGES_ALIGNMENT;
        let mapping = MmapOptions::new().len(bytes).no_reserve_swap().map_anon();
        Region { mapping: mapping.expect("addresses for so many frames"), frames }
    }

    fn alone(region: &mut Region) -> Pages {
        let frames = region.frames;
        let mut buddy = BuddyAllocator::new();
        // SAFETY: the region is writable, and the trait borrows it for as long as the allocator is used.
        unsafe { buddy.init(region.bytes()) }.expect("a region of the right size");
        let section = buddy.section(0).expect("the region");
        assert_eq!((section.start % PAGES_ALIGNMENT, section.total_pages), (0, frames));
        Pages { buddy, start: section.start }
    }

    fn threads(region: &mut Region, count: usize) -> Vec<Locked<Pages>> {
        Locked::threads(Self::alone(region), count)
    }

    fn metadata_beside_heap(region: &Region) -> u64 {
        region.records_bytes() as u64
    }

    const ABILITIES: Abilities = Abilities {
        refuses: "none (asserts in debug builds)",
        nodes: "–",
        runs: "powers of two, any alignment",
        highest_address: "4 GiB only",
        threads: "a lock around all",
        metadata: "in front of the frames, which must be mapped",
    };
}
