//! The page tables, one CPU at a time.
use crate::arch::{self, Mapping};
pub use crate::arch::{MapError, MappedPage, PageKind};
use crate::cpu::shootdown;
use crate::sync::{Rank, SpinLock};
use units::{FrameNumber, FrameRange, PhysAddr, VirtAddr};

/// Guards the page tables; interrupts are off while it is held. Frames for tables are allocated under it.
static TABLES: SpinLock<()> = SpinLock::new(Rank::PageTables, ());

/// Maps `frames` one behind the other from `start` on, with pages of 4 KiB.
///
/// # Errors
/// [`MapError`]; the pages are then as they were before.
///
/// # Safety
/// As for [`arch::map`].
pub unsafe fn map(
    start: VirtAddr,
    frames: FrameRange,
    kind: PageKind,
    table_frames: &mut dyn FnMut() -> Option<FrameNumber>,
) -> Result<(), MapError> {
    let _guard = TABLES.lock();
    // SAFETY: the lock is held; the caller vouches for the rest.
    unsafe { arch::map(start, frames, kind, table_frames) }
}

/// Takes the mappings of `pages` pages from `start` on away. When it returns, no CPU reaches what was there. Waits for the
/// other CPUs, so no spin lock may be held.
///
/// # Safety
/// Nobody uses the pages any more.
pub unsafe fn unmap(start: VirtAddr, pages: u64) {
    let found = {
        let _guard = TABLES.lock();
        // SAFETY: the lock is held; the caller vouches for the pages.
        unsafe { arch::unmap(start, pages) }
    };
    if found {
        shootdown::forget_everywhere();
    }
}

/// Empties the root's entries from `first` to `last`. When it returns, no CPU reaches what was there.
///
/// # Safety
/// Nobody uses what was there.
pub unsafe fn forget_part(first: VirtAddr, last: VirtAddr) {
    {
        let _guard = TABLES.lock();
        // SAFETY: the lock is held; the caller vouches for the rest.
        unsafe { arch::forget_part(first, last) };
    }
    shootdown::forget_everywhere();
}

/// The physical address behind a virtual one; `None` where nothing is mapped.
pub fn translate(address: VirtAddr) -> Option<PhysAddr> {
    access_at(address).map(|mapping| mapping.address)
}

/// What an address leads to; `None` where nothing is mapped.
pub fn access_at(address: VirtAddr) -> Option<Mapping> {
    let _guard = TABLES.lock();
    // SAFETY: the lock is held.
    unsafe { arch::access_at(address) }
}

/// Calls `visit` for every page that is mapped, in ascending order, with the tables locked.
pub fn visit_pages(visit: &mut dyn FnMut(&MappedPage)) {
    let _guard = TABLES.lock();
    // SAFETY: the lock is held.
    unsafe { arch::visit_pages(visit) };
}
