//! Changing the page tables in use, one CPU at a time, and flushing other CPUs' TLBs.
use crate::arch::{self, MapError, PageKind, PageTables};
use crate::cpu::shootdown;
use crate::sync::{Rank, SpinLock};
use units::{FRAME_SIZE, FrameNumber, FrameRange, PhysAddr, VirtAddr};

pub use crate::arch::access_at;

/// The right to change the page tables. Interrupts are off while it is held. Frames for missing tables are allocated under it.
static TABLES: SpinLock<PageTables> = SpinLock::new(
    Rank::PageTables,
    // SAFETY: the initial value of this static is the kernel's only call.
    unsafe { PageTables::new() },
);

/// Maps consecutive frames from `start` on, with pages of 4 KiB. A CPU caches no translation of a page that is not mapped, so other
/// CPUs are not told.
///
/// If a page cannot be mapped, the pages before it are unmapped again. That waits for the other CPUs, as in [`unmap`], so the
/// caller that maps several pages holds no spin lock. A map of one page never waits.
///
/// # Errors
/// [`MapError`]; then none of the pages is mapped that was not mapped before, and no CPU reaches the frames there.
///
/// # Safety
/// - Nothing else uses the frames in a way that `kind` contradicts.
/// - The pages are the caller's to map.
/// - `table_frames` returns frames of RAM that nothing else uses, now or later.
pub unsafe fn map(
    start: VirtAddr,
    frames: FrameRange,
    kind: PageKind,
    table_frames: &mut dyn FnMut() -> Option<FrameNumber>,
) -> Result<(), MapError> {
    // SAFETY: `# Safety` is the same.
    let result = unsafe { TABLES.lock().map(start, frames, kind, table_frames) };
    if let Err(error) = result {
        let mapped = (error.page().0 - start.0) / FRAME_SIZE;
        // SAFETY: no caller knows of these pages yet. A CPU may have cached their translations speculatively.
        unsafe { unmap(start, mapped) };
    }
    result
}

/// Removes the mappings of `pages` pages of 4 KiB from `start` on. On return, no CPU reaches what was mapped there. The
/// function waits for the other CPUs, so its caller holds no spin lock.
///
/// # Safety
/// Nothing uses the pages.
pub unsafe fn unmap(start: VirtAddr, pages: u64) {
    // SAFETY: nothing uses the pages by `# Safety`. Only the caller can give what was mapped there to another use, and it goes
    // on when the shootdown below has made every CPU flush the translations.
    let found = unsafe { TABLES.lock().unmap(start, pages) };
    if found {
        shootdown::flush_everywhere();
    }
}

/// Empties the root's entries for the addresses from `first` to `last`. On return, no CPU reaches what was mapped there. The
/// function waits for the other CPUs, so its caller holds no spin lock.
///
/// # Safety
/// Nothing uses these addresses.
pub unsafe fn unmap_part(first: VirtAddr, last: VirtAddr) {
    // SAFETY: nothing uses the addresses by `# Safety`. Only the caller can give what was mapped there to another use, and it
    // goes on when the shootdown below has made every CPU flush the translations.
    unsafe { TABLES.lock().unmap_part(first, last) };
    shootdown::flush_everywhere();
}

/// Returns the physical address that a virtual one is mapped to, or `None` if it is not mapped.
pub fn translate(address: VirtAddr) -> Option<PhysAddr> {
    arch::access_at(address).map(|mapping| mapping.address)
}
