//! Page tables: mapping, unmapping and looking up, in the one address space that all CPUs share (Intel SDM vol. 3 §4.5).
use crate::memory::address_space::PHYSICAL_MEMORY;
use crate::sync::SpinLock;
use ::address_space::{PageSize, cover};
use ::x86_64::registers::control::Cr3;
use ::x86_64::structures::paging::page_table::PageTableEntry;
use ::x86_64::structures::paging::{PageTable, PageTableFlags, PhysFrame};
use units::{FRAME_SIZE, FrameNumber, FrameRange, PhysAddr, VirtAddr};

/// What may be done with a mapped page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
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

/// Guards the page tables; interrupts are off while it is held. Frames for tables are allocated under it.
static TABLES: SpinLock<()> = SpinLock::new(());

/// The flags of an entry that leads to a table: what may be done with a page is said in its own entry alone.
const TABLE: PageTableFlags = PageTableFlags::PRESENT.union(PageTableFlags::WRITABLE);

/// The level of the root, whose tables are numbered down to 1.
const ROOT_LEVEL: u32 = 4;
/// Entries in a table.
const ENTRIES: u64 = 512;

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
    kind: Kind,
    table_frames: &mut TableFrames<'_>,
) -> Result<(), MapError> {
    let _guard = TABLES.lock();
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
    let _guard = TABLES.lock();
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
        Self { root }
    }

    /// Maps `frames` one behind the other from `start` on with the fewest pages that cover them.
    ///
    /// # Errors
    /// [`MapError`]; some of the pages may be mapped.
    ///
    /// # Safety
    /// As for [`map`], from when the address space is entered; `start` differs from the first frame's address by a multiple
    /// of the largest page.
    pub unsafe fn map(
        &mut self,
        start: VirtAddr,
        frames: FrameRange,
        kind: Kind,
        table_frames: &mut TableFrames<'_>,
    ) -> Result<(), MapError> {
        for run in cover(frames, largest_page()) {
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
        // see `protection::init`.
        unsafe { Cr3::write(PhysFrame::containing_address(::x86_64::PhysAddr::new(self.root.0)), flags) };
    }
}

/// Empties the root's entries from `first` to `last`, as [`NewAddressSpace::keep_part`] took them over. The CPUs may
/// remember what was there until told to forget.
///
/// # Safety
/// Nobody uses what was there.
pub unsafe fn forget_part(first: VirtAddr, last: VirtAddr) {
    let _guard = TABLES.lock();
    // SAFETY: the lock makes this the only reference.
    let root = unsafe { table_at(current_root()) };
    for entry in index(first, ROOT_LEVEL)..=index(last, ROOT_LEVEL) {
        root[entry].set_unused();
    }
}

/// The physical address behind a virtual one; `None` where nothing is mapped.
pub fn translate(address: VirtAddr) -> Option<PhysAddr> {
    access_at(address).map(|mapping| mapping.address)
}

/// What an address leads to and what may be done there, over all levels of the tables; `None` where nothing is mapped.
pub fn access_at(address: VirtAddr) -> Option<Mapping> {
    ::x86_64::VirtAddr::try_new(address.0).ok()?;
    let _guard = TABLES.lock();
    let mut table = current_root();
    let mut rights = Rights::ALL;
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
pub fn visit_pages(visit: &mut dyn FnMut(&MappedPage)) {
    let _guard = TABLES.lock();
    visit_table(current_root(), ROOT_LEVEL, VirtAddr(0), Rights::ALL, visit);
}

fn visit_table(
    table: PhysAddr,
    level: u32,
    start: VirtAddr,
    rights: Rights,
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

/// What all the entries that lead somewhere allow together (Intel SDM vol. 3 §4.6).
#[derive(Clone, Copy)]
struct Rights {
    writable: bool,
    executable: bool,
}

impl Rights {
    const ALL: Self = Self { writable: true, executable: true };

    /// What is left of them below this entry; `None` where it leads nowhere.
    fn of(self, entry: &PageTableEntry) -> Option<Self> {
        let flags = entry.flags();
        flags.contains(PageTableFlags::PRESENT).then_some(Self {
            writable: self.writable && flags.contains(PageTableFlags::WRITABLE),
            executable: self.executable && !flags.contains(PageTableFlags::NO_EXECUTE),
        })
    }

    fn mapping(self, entry: &PageTableEntry, address: VirtAddr, level: u32) -> Mapping {
        let offset_mask = entry_bytes(level) - 1;
        // Bit 12 of a large page's entry is part of its memory type, not of its address.
        let base = entry.addr().as_u64() & !offset_mask;
        let address = PhysAddr(base | (address.0 & offset_mask));
        Mapping { address, writable: self.writable, executable: self.executable }
    }
}

/// Whether a present entry leads to a page and not to a table.
fn is_page(entry: &PageTableEntry, level: u32) -> bool {
    level == 1 || entry.flags().contains(PageTableFlags::HUGE_PAGE)
}

/// Bytes that an entry of this level's tables stands for.
fn entry_bytes(level: u32) -> u64 {
    FRAME_SIZE << (9 * (level - 1))
}

/// The entry that the address goes through in a table of this level.
fn index(address: VirtAddr, level: u32) -> usize {
    (address.0 / entry_bytes(level) % ENTRIES) as usize
}

fn current_root() -> PhysAddr {
    PhysAddr(Cr3::read().0.start_address().as_u64())
}

/// The level of the tables whose entries lead to pages of this size.
fn level_of(size: PageSize) -> u32 {
    size as u32 + 1
}

/// # Safety
/// There is a page table, and for as long as the result lives nobody else changes it.
unsafe fn table_at<'a>(address: PhysAddr) -> &'a mut PageTable {
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
/// As for [`map`]; the caller alone may touch the tables under `root`.
unsafe fn map_run(
    root: PhysAddr,
    start: VirtAddr,
    frames: FrameRange,
    size: PageSize,
    kind: Kind,
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

fn page_flags(kind: Kind, size: PageSize) -> PageTableFlags {
    let flags = match kind {
        Kind::Constant => PageTableFlags::NO_EXECUTE,
        Kind::Data => PageTableFlags::WRITABLE | PageTableFlags::NO_EXECUTE,
        Kind::Code => PageTableFlags::empty(),
        // Both bits: strongly uncacheable in the page attribute table as it is after reset (Intel SDM vol. 3 §12.12.4).
        Kind::Device => {
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
unsafe fn clear(root: PhysAddr, start: VirtAddr, pages: u64) -> bool {
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
