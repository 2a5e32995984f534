//! The page tables themselves: their entries, the way down through their four levels, and runs of entries filled and emptied
//! (Intel SDM vol. 3 §4.5). Who uses this keeps others from the tables meanwhile.
use super::physical_memory;
use ::address_space::PageSize;
use ::x86_64::structures::paging::page_table::PageTableEntry;
use ::x86_64::structures::paging::{PageTable, PageTableFlags};
use units::{FRAME_SIZE, FrameNumber, FrameRange, PhysAddr, VirtAddr};

/// What may be done with a mapped page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PageKind {
    /// Read only.
    Constant,
    /// Read and written.
    Data,
    /// Read and executed.
    Code,
    /// A device's registers: read and written, and never cached.
    Device,
}

/// Why a page could not be mapped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MapError {
    /// No frame was to be had for a page table.
    NoFrame(VirtAddr),
    /// Something is mapped there already.
    InUse(VirtAddr),
}

/// What an address leads to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mapping {
    /// The physical address.
    pub address: PhysAddr,
    /// Whether the page may be written.
    pub writable: bool,
    /// Whether the page may be executed.
    pub executable: bool,
}

/// Where frames for page tables that are missing come from; `None`: there are no more.
pub type TableFrames<'a> = dyn FnMut() -> Option<FrameNumber> + 'a;

/// The flags of an entry that leads to a table: what may be done with a page is said in its own entry alone.
const TABLE: PageTableFlags = PageTableFlags::PRESENT.union(PageTableFlags::WRITABLE);

/// The level of the root, whose tables are numbered down to 1.
pub const ROOT_LEVEL: u32 = 4;
/// Entries in a table.
const ENTRIES: u64 = 512;

/// What all the entries that lead somewhere allow together (Intel SDM vol. 3 §4.6).
#[derive(Clone, Copy)]
pub struct PageRights {
    writable: bool,
    executable: bool,
}

impl PageRights {
    /// Those of no entry at all.
    pub const ALL: Self = Self { writable: true, executable: true };

    /// What is left of them below this entry; `None` where it leads nowhere.
    pub fn of(self, entry: &PageTableEntry) -> Option<Self> {
        let flags = entry.flags();
        flags.contains(PageTableFlags::PRESENT).then_some(Self {
            writable: self.writable && flags.contains(PageTableFlags::WRITABLE),
            executable: self.executable && !flags.contains(PageTableFlags::NO_EXECUTE),
        })
    }

    /// Where an address leads by way of this entry, which leads to a page.
    pub fn mapping(self, entry: &PageTableEntry, address: VirtAddr, level: u32) -> Mapping {
        let offset_mask = entry_bytes(level) - 1;
        // Bit 12 of a large page's entry is part of its memory type, not of its address.
        let base = entry.addr().as_u64() & !offset_mask;
        let address = PhysAddr(base | (address.0 & offset_mask));
        Mapping { address, writable: self.writable, executable: self.executable }
    }
}

/// Whether a present entry leads to a page and not to a table.
pub fn is_page(entry: &PageTableEntry, level: u32) -> bool {
    level == 1 || entry.flags().contains(PageTableFlags::HUGE_PAGE)
}

/// Bytes that an entry of this level's tables stands for.
pub fn entry_bytes(level: u32) -> u64 {
    FRAME_SIZE << (9 * (level - 1))
}

/// The entry that the address goes through in a table of this level.
pub fn index(address: VirtAddr, level: u32) -> usize {
    (address.0 / entry_bytes(level) % ENTRIES) as usize
}

/// The level of the tables whose entries lead to pages of this size.
fn level_of(size: PageSize) -> u32 {
    size as u32 + 1
}

/// The table at this address.
///
/// # Safety
/// There is a page table, and for as long as the result lives nobody else changes it.
pub unsafe fn table_at<'a>(address: PhysAddr) -> &'a mut PageTable {
    // SAFETY: tables lie in memory; the caller says that this is one, and the only reference to it.
    unsafe { &mut *physical_memory(address).cast() }
}

/// The table of `level` that the address goes through. `make` gives a table in the place of one that is missing.
///
/// # Safety
/// The caller alone may touch the tables under `root`, and what `make` gives is a table.
unsafe fn table_of<'a, E>(
    root: PhysAddr,
    address: VirtAddr,
    level: u32,
    in_use: E,
    make: &mut dyn FnMut() -> Result<PhysAddr, E>,
) -> Result<&'a mut PageTable, E> {
    let mut table = root;
    for above in (level + 1..=ROOT_LEVEL).rev() {
        // SAFETY: the caller owns all of these tables, and the reference ends with this step.
        let entry = &mut unsafe { table_at(table) }[index(address, above)];
        if entry.is_unused() {
            entry.set_addr(::x86_64::PhysAddr::new(make()?.0), TABLE);
        } else if is_page(entry, above) {
            return Err(in_use);
        }
        table = PhysAddr(entry.addr().as_u64());
    }
    // SAFETY: as above; the caller gets the only reference.
    Ok(unsafe { table_at(table) })
}

/// Maps frames with pages of one size, table by table; counts in `mapped` the pages done.
///
/// # Safety
/// As for [`map`](super::paging::map); the caller alone may touch the tables under `root`.
pub unsafe fn map_run(
    root: PhysAddr,
    start: VirtAddr,
    frames: FrameRange,
    size: PageSize,
    kind: PageKind,
    table_frames: &mut TableFrames<'_>,
    mapped: &mut u64,
) -> Result<(), MapError> {
    let level = level_of(size);
    let flags = page_flags(kind, size);
    let mut frame = frames.start.0;
    while frame < frames.end.0 {
        let address = VirtAddr(start.0 + (frame - frames.start.0) * FRAME_SIZE);
        let mut make = || {
            let table = table_frames().ok_or(MapError::NoFrame(address))?.address();
            // SAFETY: the frame is fresh.
            unsafe { physical_memory(table).write_bytes(0, FRAME_SIZE as usize) };
            Ok(table)
        };
        // SAFETY: the caller owns the tables; a frame of zeros is an empty table.
        let table = unsafe { table_of(root, address, level, MapError::InUse(address), &mut make)? };
        for entry in table.iter_mut().skip(index(address, level)) {
            if frame >= frames.end.0 {
                break;
            }
            if !entry.is_unused() {
                let offset = (frame - frames.start.0) * FRAME_SIZE;
                return Err(MapError::InUse(VirtAddr(start.0 + offset)));
            }
            entry.set_addr(::x86_64::PhysAddr::new(frame * FRAME_SIZE), flags);
            frame += size.frames();
            *mapped += 1;
        }
    }
    Ok(())
}

fn page_flags(kind: PageKind, size: PageSize) -> PageTableFlags {
    let flags = match kind {
        PageKind::Constant => PageTableFlags::NO_EXECUTE,
        PageKind::Data => PageTableFlags::WRITABLE | PageTableFlags::NO_EXECUTE,
        PageKind::Code => PageTableFlags::empty(),
        // Both bits: strongly uncacheable in the page attribute table as it is after reset (Intel SDM vol. 3 §12.12.4).
        PageKind::Device => {
            PageTableFlags::WRITABLE
                | PageTableFlags::NO_EXECUTE
                | PageTableFlags::NO_CACHE
                | PageTableFlags::WRITE_THROUGH
        }
    };
    let size = if size == PageSize::Small { PageTableFlags::empty() } else { PageTableFlags::HUGE_PAGE };
    PageTableFlags::PRESENT | flags | size
}

/// Empties the entries of pages of 4 KiB; the tables stay, for whoever uses these addresses next. Returns whether there was
/// anything to empty.
///
/// # Safety
/// The caller alone may touch the tables under `root`, and nobody uses the pages.
pub unsafe fn clear(root: PhysAddr, start: VirtAddr, pages: u64) -> bool {
    let (mut page, mut found) = (0, false);
    while page < pages {
        let address = VirtAddr(start.0 + page * FRAME_SIZE);
        let first = index(address, 1);
        let count = (ENTRIES - first as u64).min(pages - page);
        // SAFETY: the caller owns the tables.
        if let Ok(table) = unsafe { table_of(root, address, 1, (), &mut || Err(())) } {
            for entry in table.iter_mut().skip(first).take(count as usize) {
                found |= !entry.is_unused();
                entry.set_unused();
            }
        }
        page += count;
    }
    found
}
