//! Changing the page tables in use, one CPU at a time, and flushing other CPUs' TLBs.
//!
//! The lock keeps interrupts off, so nothing is allocated under it: frames for missing tables are allocated before.
use super::frame_chain::FrameChain;
use crate::arch::{self, MapError, PageKind, PageTables};
use crate::cpu::shootdown;
use crate::sync::{Rank, SpinLock};
use ::address_space::PageSize;
use units::{FRAME_SIZE, FrameNumber, FrameRange, NodeId, PhysAddr, VirtAddr};

pub use crate::arch::{access_at, is_any_mapped};

/// The right to change the page tables. Interrupts are off while it is held.
static TABLES: SpinLock<PageTables> = SpinLock::new(
    Rank::PageTables,
    // SAFETY: the initial value of this static is the kernel's only call.
    unsafe { PageTables::new() },
);

/// The number of pages that are mapped or unmapped while the lock is held once, at most.
const PAGES_AT_ONCE: u64 = 64;

/// Frames for page tables that were allocated before.
pub trait ReadyFrames {
    /// Returns a frame, or `None` if there are no more. It is called with the page tables' lock held and interrupts off, so it
    /// allocates none.
    fn pop(&mut self) -> Option<FrameNumber>;
}

impl ReadyFrames for FrameChain {
    fn pop(&mut self) -> Option<FrameNumber> {
        Self::pop(self)
    }
}

/// Maps consecutive frames from `start` on, with pages of 4 KiB. Missing tables come from `node`, or else from the nearest node with
/// free frames. A CPU caches no translation of a page that is not mapped, so other CPUs are not told.
///
/// If a page cannot be mapped, the pages before it are unmapped again. That waits for the other CPUs, as in [`unmap`], so the
/// caller that maps several pages holds no spin lock. A map of one page never waits for a shootdown.
///
/// # Errors
/// [`MapError`]; then none of the pages is mapped that was not mapped before, and no CPU reaches the frames there.
///
/// # Safety
/// - Nothing else uses the frames in a way that `kind` contradicts.
/// - The pages are the caller's to map.
pub unsafe fn map(start: VirtAddr, frames: FrameRange, kind: PageKind, node: NodeId) -> Result<(), MapError> {
    let mut tables = FrameChain::EMPTY;
    let mut done = 0;
    loop {
        // SAFETY: `# Safety` is the same. The chain's frames were allocated, and those that it gives are never freed.
        let result = unsafe { map_from(start, frames, done, kind, &mut tables) };
        let Err(MapError::NoFrame(page)) = result else { return undo(start, result) };
        done = (page.0 - start.0) / FRAME_SIZE;
        let missing = arch::missing_tables(page, frames.len_frames() - done);
        match FrameChain::allocate_near(node, missing) {
            Some(allocated) => tables = allocated,
            None => return undo(start, result),
        }
    }
}

/// Maps the registers or the memory of a device from `start` on, for good, with pages of 2 MiB where both addresses allow it. Missing tables come
/// from `node`, or else from the nearest node with free frames.
///
/// # Errors
/// [`MapError`]; some of the pages may be mapped, and stay so.
///
/// # Safety
/// - The frames belong to a device, and `kind` is one for devices.
/// - The pages are the caller's to map, and are not mapped again.
pub unsafe fn map_device_for_good(
    start: VirtAddr,
    frames: FrameRange,
    kind: PageKind,
    node: NodeId,
) -> Result<(), MapError> {
    let large = PageSize::Large.frames();
    let is_congruent = (start.0 / FRAME_SIZE).abs_diff(frames.start.0).is_multiple_of(large);
    let mut next = frames.start.0;
    while next < frames.end.0 {
        let (page, left) = (VirtAddr(start.0 + (next - frames.start.0) * FRAME_SIZE), frames.end.0 - next);
        let (before, is_large) = (next % large, is_congruent && left >= large);
        let count = match before {
            0 if is_large => large * (left / large).min(PAGES_AT_ONCE),
            _ if is_congruent => left.min(large - before),
            _ => left,
        };
        let part = FrameRange::new(next, next + count);
        if is_large && before == 0 {
            // SAFETY: `# Safety` is the same. The page and the frame are multiples of 2 MiB.
            unsafe { map_large(page, part, kind, node)? };
        } else {
            // SAFETY: `# Safety` is the same.
            unsafe { map(page, part, kind, node)? };
        }
        next += count;
    }
    Ok(())
}

/// Maps registers with pages of 2 MiB.
///
/// # Errors
/// As [`map_device_for_good`].
///
/// # Safety
/// As [`map_device_for_good`], and both addresses and the length are multiples of 2 MiB.
unsafe fn map_large(
    start: VirtAddr,
    frames: FrameRange,
    kind: PageKind,
    node: NodeId,
) -> Result<(), MapError> {
    let mut tables = FrameChain::EMPTY;
    let mut first = frames.start;
    loop {
        let page = VirtAddr(start.0 + (first.0 - frames.start.0) * FRAME_SIZE);
        let rest = FrameRange { start: first, end: frames.end };
        // SAFETY: `# Safety` is the same. The chain's frames were allocated, and those that it gives are never freed.
        let result = unsafe { TABLES.lock().map(page, rest, PageSize::Large, kind, &mut || tables.pop()) };
        let Err(MapError::NoFrame(page)) = result else { return result };
        first = FrameNumber(frames.start.0 + (page.0 - start.0) / FRAME_SIZE);
        // Enough for the way to a page of 4 KiB there, which is longer. What is left is freed.
        tables =
            FrameChain::allocate_near(node, arch::missing_tables(page, 1)).ok_or(MapError::NoFrame(page))?;
    }
}

/// Maps as [`map`] does, with missing tables from `tables`.
///
/// # Errors
/// As [`map`].
///
/// # Safety
/// As [`map`], and `tables` returns frames of RAM that nothing else uses, now or later.
pub unsafe fn map_with(
    start: VirtAddr,
    frames: FrameRange,
    kind: PageKind,
    tables: &mut impl ReadyFrames,
) -> Result<(), MapError> {
    // SAFETY: `# Safety` is the same.
    undo(start, unsafe { map_from(start, frames, 0, kind, tables) })
}

/// Maps all frames but the first `done` ones, some at a time. `start` is the address of the first frame.
///
/// # Errors
/// [`MapError`]; the pages before the one that it names are mapped.
///
/// # Safety
/// As [`map_with`].
#[inline]
unsafe fn map_from(
    start: VirtAddr,
    frames: FrameRange,
    done: u64,
    kind: PageKind,
    tables: &mut impl ReadyFrames,
) -> Result<(), MapError> {
    let mut next = frames.start.0 + done;
    while next < frames.end.0 {
        let end = frames.end.0.min(next + PAGES_AT_ONCE);
        let part = FrameRange::new(next, end);
        let page = VirtAddr(start.0 + (next - frames.start.0) * FRAME_SIZE);
        // SAFETY: `# Safety` is the same.
        unsafe { TABLES.lock().map(page, part, PageSize::Small, kind, &mut || tables.pop())? };
        next = end;
    }
    Ok(())
}

/// After an error, unmaps the pages from `start` on that were mapped before the error.
fn undo(start: VirtAddr, result: Result<(), MapError>) -> Result<(), MapError> {
    result.inspect_err(|error| {
        // SAFETY: no caller knows of these pages yet. A CPU may have cached their translations speculatively.
        unsafe { unmap(start, (error.page().0 - start.0) / FRAME_SIZE) };
    })
}

/// Removes the mappings of `pages` pages of 4 KiB from `start` on. On return, no CPU reaches what was mapped there. The
/// function waits for the other CPUs, so its caller holds no spin lock.
///
/// # Safety
/// Nothing uses the pages.
pub unsafe fn unmap(start: VirtAddr, pages: u64) {
    let (mut first, mut found) = (0, false);
    while first < pages {
        let count = PAGES_AT_ONCE.min(pages - first);
        // SAFETY: nothing uses the pages by `# Safety`. Only the caller can give what was mapped there to another use, and it goes
        // on when the shootdown below has made every CPU flush the translations.
        found |= unsafe { TABLES.lock().unmap(VirtAddr(start.0 + first * FRAME_SIZE), count) };
        first += count;
    }
    if found {
        shootdown::flush_everywhere();
    }
}

/// Removes the mappings of these single pages. On return, no CPU reaches what was mapped there. The function waits for the other
/// CPUs, once, so its caller holds no spin lock.
///
/// # Safety
/// Nothing uses the pages.
pub unsafe fn unmap_each(pages: impl Iterator<Item = VirtAddr>) {
    for page in pages {
        // SAFETY: nothing uses the page by `# Safety`. Only the caller can give what was mapped there to another use, and it goes on
        // when the shootdown below has made every CPU flush the translations.
        unsafe { TABLES.lock().unmap(page, 1) };
    }
    shootdown::flush_everywhere();
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

/// Splits the large page at an address, if there is one, into pages of the next smaller size. Its tables come from `node`, or else from the
/// nearest node with free frames. Returns false, with nothing changed, if fewer than `most_tables` frames are free.
pub fn split_at(address: VirtAddr, node: NodeId, most_tables: u64) -> bool {
    let Some(mut tables) = FrameChain::allocate_near(node, most_tables) else { return false };
    // SAFETY: the chain's frames were allocated, and those that it gives are never freed.
    unsafe { TABLES.lock().split_at(address, &mut || tables.pop()) }.is_ok()
}

/// Returns the physical address that a virtual one is mapped to, or `None` if it is not mapped.
pub fn translate(address: VirtAddr) -> Option<PhysAddr> {
    arch::access_at(address).map(|mapping| mapping.address)
}
