//! Building the kernel's address space and entering it.
use super::page_entry::{PageKind, ROOT_LEVEL};
use super::page_table::{MapError, Table, TableFrames};
use super::paging::current_root;
use ::address_space::{PageSize, cover};
use ::x86_64::registers::control::Cr3;
use ::x86_64::structures::paging::PhysFrame;
use units::{FRAME_SIZE, FrameNumber, FrameRange, VirtAddr};

/// An address space that no CPU uses yet.
pub struct NewAddressSpace {
    frame: FrameNumber,
    root: Table,
    /// The largest pages that the CPU has.
    largest: PageSize,
}

impl NewAddressSpace {
    /// Returns an empty address space with `root` as the frame of its root.
    ///
    /// # Safety
    /// The frame is RAM, and nothing else uses it, now or later.
    pub unsafe fn new(root: FrameNumber) -> Self {
        // SAFETY: by `# Safety` the frame is RAM that nothing else uses, which is the condition of `empty`.
        Self { frame: root, root: unsafe { Table::empty(root, ROOT_LEVEL) }, largest: largest_page() }
    }

    /// Maps consecutive frames from `start` on, with the fewest pages that cover them.
    ///
    /// # Errors
    /// [`MapError`]; some of the pages may be mapped.
    ///
    /// # Safety
    /// - From [`NewAddressSpace::enter`] on, nothing else uses the frames in a way that `kind` contradicts.
    /// - `table_frames` returns frames of RAM that nothing else uses, now or later.
    pub unsafe fn map(
        &mut self,
        start: VirtAddr,
        frames: FrameRange,
        kind: PageKind,
        table_frames: &mut TableFrames<'_>,
    ) -> Result<(), MapError> {
        // Both the address and the frame of a large page are multiples of its size.
        let distance = start.0.wrapping_sub(frames.start.address().0) / FRAME_SIZE;
        let fits = |size: &PageSize| *size <= self.largest && distance.is_multiple_of(size.frames());
        let largest = [PageSize::Huge, PageSize::Large].into_iter().find(fits).unwrap_or(PageSize::Small);
        for run in cover(frames, largest) {
            let start = VirtAddr(start.0 + (run.frames.start.0 - frames.start.0) * FRAME_SIZE);
            // SAFETY: only `self` knows these tables, and `&mut self` is the only reference to it, so no other CPU writes them. The
            // other conditions of `Table::map` are those of `# Safety`.
            unsafe { self.root.map(start, run.frames, run.size, kind, table_frames)? };
        }
        Ok(())
    }

    /// Copies what the address space in use maps from `first` to `last`, which are the ends of entries of the root. Both
    /// address spaces share the tables below.
    ///
    /// # Safety
    /// Nothing changes those tables until [`unmap_part`](super::paging::PageTables::unmap_part).
    pub unsafe fn keep_part(&mut self, first: VirtAddr, last: VirtAddr) {
        let entries = self.root.index_of(first)..=self.root.index_of(last);
        // SAFETY: only `self` knows this table, and `&mut self` is the only reference to it. The kernel uses the address space
        // in use, so what its entries make reachable may be reached.
        unsafe { self.root.copy_entries(current_root(), entries) };
    }

    /// Makes the running CPU use this address space.
    ///
    /// # Safety
    /// It maps all that the kernel uses from here on, the code and the running stack included.
    pub unsafe fn enter(self) {
        let (_, flags) = Cr3::read();
        let root = ::x86_64::PhysAddr::new(self.frame.address().0);
        // SAFETY: by `# Safety`, what the kernel uses is mapped. The load of CR3 flushes all translations, because none is
        // global: `registers.rs` has switched global pages off.
        unsafe { Cr3::write(PhysFrame::containing_address(root), flags) };
    }
}

/// Returns the largest page size of the running CPU (Intel SDM vol. 2, CPUID leaf 0x80000001).
fn largest_page() -> PageSize {
    let has_huge = core::arch::x86_64::__cpuid(0x8000_0001).edx & (1 << 26) != 0;
    if has_huge { PageSize::Huge } else { PageSize::Large }
}
