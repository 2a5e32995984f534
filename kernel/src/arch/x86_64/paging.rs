//! Page tables: mapping, unmapping and looking up, in the one address space that all CPUs share (Intel SDM vol. 3 §4.5).
pub use super::page_table::{MapError, Mapping, PageKind};
use super::page_table::{
    PageRights, ROOT_LEVEL, TableFrames, clear, entry_bytes, index, is_page, map_run, table_at,
};
use ::address_space::layout::PHYSICAL_MEMORY;
use ::address_space::{PageSize, cover};
use ::x86_64::registers::control::Cr3;
use ::x86_64::structures::paging::PhysFrame;
use ::x86_64::structures::paging::page_table::PageTableEntry;
use units::{FRAME_SIZE, FrameNumber, FrameRange, PhysAddr, VirtAddr};

/// Where the kernel reads and writes this physical address. The pointer may be followed only where there is memory.
#[inline]
pub fn physical_memory(address: PhysAddr) -> *mut u8 {
    core::ptr::with_exposed_provenance_mut((PHYSICAL_MEMORY.0 + address.0) as usize)
}

/// The largest pages that this CPU has (Intel SDM vol. 2, CPUID leaf 0x80000001).
fn largest_page() -> PageSize {
    let has_huge = core::arch::x86_64::__cpuid(0x8000_0001).edx & (1 << 26) != 0;
    if has_huge { PageSize::Huge } else { PageSize::Large }
}

/// Maps `frames` one behind the other from `start` on, a multiple of the page's size, with pages of 4 KiB.
///
/// # Errors
/// [`MapError`]; the pages are then as they were before.
///
/// # Safety
/// Nothing else uses the frames in a way that `kind` contradicts, and the pages lie in a part of the address space that is
/// the caller's to map.
pub unsafe fn map(
    start: VirtAddr,
    frames: FrameRange,
    kind: PageKind,
    table_frames: &mut TableFrames<'_>,
) -> Result<(), MapError> {
    let (root, size) = (current_root(), PageSize::Small);
    let mut mapped = 0;
    // SAFETY: the lock is held; the caller vouches for pages and frames.
    let result = unsafe { map_run(root, start, frames, size, kind, table_frames, &mut mapped) };
    if result.is_err() {
        // SAFETY: the lock is held, and nobody has used what this call has just mapped.
        unsafe { clear(root, start, mapped) };
    }
    result
}

/// Takes the mappings of `pages` pages of 4 KiB from `start` on away, and returns whether there were any. The CPUs may
/// remember them until told to forget.
///
/// # Safety
/// Nobody uses the pages any more, nor what was mapped there until all CPUs have been told.
pub unsafe fn unmap(start: VirtAddr, pages: u64) -> bool {
    // SAFETY: the lock is held; the caller vouches for the pages.
    unsafe { clear(current_root(), start, pages) }
}

/// Makes this CPU forget every translation.
pub fn forget_translations() {
    ::x86_64::instructions::tlb::flush_all();
}

/// An address space that no CPU uses yet.
pub struct NewAddressSpace {
    root: PhysAddr,
    /// The largest pages that the CPU has.
    largest: PageSize,
}

impl NewAddressSpace {
    /// One with nothing in it, over this frame as its root.
    ///
    /// # Safety
    /// The frame is nobody else's.
    pub unsafe fn new(root: FrameNumber) -> Self {
        let root = root.address();
        // SAFETY: the caller hands the frame over.
        unsafe { physical_memory(root).write_bytes(0, FRAME_SIZE as usize) };
        Self { root, largest: largest_page() }
    }

    /// Maps `frames` one behind the other from `start` on with the fewest pages that cover them.
    ///
    /// # Errors
    /// [`MapError`]; some of the pages may be mapped.
    ///
    /// # Safety
    /// As for [`map`], from when the address space is entered.
    pub unsafe fn map(
        &mut self,
        start: VirtAddr,
        frames: FrameRange,
        kind: PageKind,
        table_frames: &mut TableFrames<'_>,
    ) -> Result<(), MapError> {
        // A large page is at a multiple of its size on both sides.
        let apart = start.0.wrapping_sub(frames.start.address().0) / FRAME_SIZE;
        let fits = |size: &PageSize| *size <= self.largest && apart.is_multiple_of(size.frames());
        let largest = [PageSize::Huge, PageSize::Large].into_iter().find(fits).unwrap_or(PageSize::Small);
        for run in cover(frames, largest) {
            let start = VirtAddr(start.0 + (run.frames.start.0 - frames.start.0) * FRAME_SIZE);
            // SAFETY: nobody else knows these tables; the caller vouches for the rest.
            unsafe { map_run(self.root, start, run.frames, run.size, kind, table_frames, &mut 0)? };
        }
        Ok(())
    }

    /// Takes over what the CPU's present address space has from `first` to `last`, which are the ends of entries of the
    /// root. The tables below stay those that they are.
    ///
    /// # Safety
    /// Those tables stay as they are until [`forget_part`].
    pub unsafe fn keep_part(&mut self, first: VirtAddr, last: VirtAddr) {
        let present = physical_memory(current_root()).cast::<PageTableEntry>();
        let new = physical_memory(self.root).cast::<PageTableEntry>();
        let (first, last) = (index(first, ROOT_LEVEL), index(last, ROOT_LEVEL));
        // SAFETY: both are tables, apart from each other, and `last` is within them.
        unsafe { core::ptr::copy_nonoverlapping(present.add(first), new.add(first), last + 1 - first) };
    }

    /// Makes it this CPU's.
    ///
    /// # Safety
    /// It maps all that the kernel uses from here on, its code and the running stack among it.
    pub unsafe fn enter(self) {
        let (_, flags) = Cr3::read();
        // SAFETY: the caller vouches for the tables. Loading CR3 makes the CPU forget all translations: none was global,
        // see `enable_protections`.
        unsafe { Cr3::write(PhysFrame::containing_address(::x86_64::PhysAddr::new(self.root.0)), flags) };
    }
}

/// Empties the root's entries from `first` to `last`, as [`NewAddressSpace::keep_part`] took them over. The CPUs may
/// remember what was there until told to forget.
///
/// # Safety
/// Nobody uses what was there.
pub unsafe fn forget_part(first: VirtAddr, last: VirtAddr) {
    // SAFETY: the lock makes this the only reference.
    let root = unsafe { table_at(current_root()) };
    for entry in index(first, ROOT_LEVEL)..=index(last, ROOT_LEVEL) {
        root[entry].set_unused();
    }
}

/// What an address leads to and what may be done there, over all levels of the tables; `None` where nothing is mapped.
pub unsafe fn access_at(address: VirtAddr) -> Option<Mapping> {
    ::x86_64::VirtAddr::try_new(address.0).ok()?;
    let mut table = current_root();
    let mut rights = PageRights::ALL;
    for level in (1..=ROOT_LEVEL).rev() {
        // SAFETY: a table that the CPU uses lies in memory, and the lock keeps others from changing it.
        let entry = &unsafe { table_at(table) }[index(address, level)];
        rights = rights.of(entry)?;
        if is_page(entry, level) {
            return Some(rights.mapping(entry, address, level));
        }
        table = PhysAddr(entry.addr().as_u64());
    }
    None
}

/// A page that is mapped.
#[derive(Clone, Copy, Debug)]
pub struct MappedPage {
    /// Its first address.
    pub start: VirtAddr,
    /// Its size in bytes.
    pub bytes: u64,
    /// What it leads to.
    pub mapping: Mapping,
}

/// Calls `visit` for every page that is mapped, in ascending order, with the tables locked: it must neither map nor look up.
pub unsafe fn visit_pages(visit: &mut dyn FnMut(&MappedPage)) {
    visit_table(current_root(), ROOT_LEVEL, VirtAddr(0), PageRights::ALL, visit);
}

fn visit_table(
    table: PhysAddr,
    level: u32,
    start: VirtAddr,
    rights: PageRights,
    visit: &mut dyn FnMut(&MappedPage),
) {
    // SAFETY: as for `access_at`.
    for (index, entry) in unsafe { table_at(table) }.iter().enumerate() {
        let Some(rights) = rights.of(entry) else { continue };
        let start = start.0 + index as u64 * entry_bytes(level);
        let start = VirtAddr(::x86_64::VirtAddr::new_truncate(start).as_u64());
        if is_page(entry, level) {
            let mapping = rights.mapping(entry, start, level);
            visit(&MappedPage { start, bytes: entry_bytes(level), mapping });
        } else {
            visit_table(PhysAddr(entry.addr().as_u64()), level - 1, start, rights, visit);
        }
    }
}

fn current_root() -> PhysAddr {
    PhysAddr(Cr3::read().0.start_address().as_u64())
}
