//! The page tables in use: mapping, unmapping and looking up, in the one address space that all CPUs share (Intel SDM vol. 3
//! §4.5).
use super::page_entry::{Entry, Mapping, PageKind, PageRights};
use super::page_table::{ENTRIES, LargePage, MapError, Table, TableFrames, Target};
use ::address_space::PageSize;
use ::x86_64::registers::control::Cr3;
use protection_keys::Key;
use units::{FrameNumber, FrameRange, PhysAddr, VirtAddr};

/// The right to change the page tables in use. There is only one such value, so a lock around it lets one CPU at a time change
/// the tables. A lookup ([`access_at`]) does not need the right, nor does a change of a page's key ([`set_key`]).
pub struct PageTables(());

impl PageTables {
    /// Returns the right.
    ///
    /// # Safety
    /// The kernel calls this once.
    pub const unsafe fn new() -> Self {
        Self(())
    }

    /// Maps consecutive frames from `start` on, with pages of this size.
    ///
    /// # Errors
    /// [`MapError`]; the pages before the one that it names are mapped.
    ///
    /// # Safety
    /// - Nothing else uses the frames in a way that `kind` contradicts.
    /// - The pages are the caller's to map.
    /// - `table_frames` returns frames of RAM that nothing else uses, now or later.
    pub unsafe fn map(
        &mut self,
        start: VirtAddr,
        frames: FrameRange,
        size: PageSize,
        kind: PageKind,
        table_frames: &mut TableFrames<'_>,
    ) -> Result<(), MapError> {
        // SAFETY: `&mut self` is the only right to change these tables; the rest is `# Safety`.
        unsafe { current_root().map(start, frames, size, kind, table_frames) }
    }

    /// Removes the mappings of `pages` pages of 4 KiB from `start` on. Returns true if there were any. A CPU may use a
    /// translation that it has cached until it calls [`flush_translations`].
    ///
    /// # Safety
    /// Nothing uses the pages. Nothing else uses what was mapped there until every CPU has flushed the translations.
    pub unsafe fn unmap(&mut self, start: VirtAddr, pages: u64) -> bool {
        // SAFETY: `&mut self` is the only right to change these tables, so no other CPU writes them. By `# Safety` nothing uses the
        // pages.
        unsafe { current_root().unmap(start, pages) }
    }

    /// Splits the large page at an address, if there is one, into pages of the next smaller size.
    ///
    /// # Errors
    /// [`MapError::NoFrame`]; nothing has changed.
    ///
    /// # Safety
    /// `table_frames` returns frames of RAM that nothing else uses, now or later.
    pub unsafe fn split_at(
        &mut self,
        address: VirtAddr,
        table_frames: &mut TableFrames<'_>,
    ) -> Result<(), MapError> {
        // SAFETY: `&mut self` is the only right to split pages; the rest is `# Safety`.
        unsafe { current_root().split_at(address, table_frames) }
    }

    /// Empties the root's entries for the addresses from `first` to `last`. A CPU may use a translation that it has cached until
    /// it calls [`flush_translations`].
    ///
    /// # Safety
    /// Nothing uses these addresses. Nothing else uses what was mapped there until every CPU has flushed the translations.
    pub unsafe fn unmap_part(&mut self, first: VirtAddr, last: VirtAddr) {
        let root = current_root();
        // SAFETY: `&mut self` is the only right to change these tables, so no other CPU writes them. By `# Safety` nothing uses the
        // addresses.
        unsafe { root.clear_entries(root.index_of(first)..=root.index_of(last)) };
    }
}

/// Maps consecutive frames from `start` on as data with this key, with pages of 4 KiB, without the right to change the tables: an exception may have
/// interrupted its holder. Returns false, and maps nothing, if the page tables are missing or end in between.
///
/// # Safety
/// - Nothing is mapped there, and nothing else maps or unmaps these pages meanwhile.
/// - Nothing else uses the frames.
pub unsafe fn map_at_any_time(start: VirtAddr, frames: FrameRange, key: Key) -> bool {
    let entry =
        |page| Entry::page(FrameNumber(frames.start.0 + page), PageSize::Small, PageKind::Data).with_key(key);
    // SAFETY: by `# Safety` nothing else writes the entries, and the frames may be written.
    unsafe { current_root().write_lowest(start, frames.len_frames(), entry) }
}

/// Removes the mappings of `pages` pages from `start` on that [`map_at_any_time`] has made, and flushes the running CPU's translations.
///
/// # Safety
/// Nothing uses the pages, or maps or unmaps them meanwhile. Nothing else uses the frames until every CPU has flushed the translations.
pub unsafe fn unmap_at_any_time(start: VirtAddr, pages: u64) {
    // SAFETY: by `# Safety` nothing else writes the entries. An unused entry makes nothing reachable.
    unsafe { current_root().write_lowest(start, pages, |_| Entry::UNUSED) };
    flush_translations();
}

/// Returns how many page tables are missing for `pages` pages of 4 KiB from `start` on, at this moment. Tables are never removed, so
/// no more are missing later.
pub fn missing_tables(start: VirtAddr, pages: u64) -> u64 {
    current_root().missing_tables(start, pages)
}

/// Flushes the running CPU's TLB: every cached translation.
pub fn flush_translations() {
    ::x86_64::instructions::tlb::flush_all();
}

/// Gives the page of 4 KiB at an address another key. Returns the key that the page had, or `None` if nothing is mapped there. A CPU may use a
/// translation that it has cached, with the key of then, until it flushes it.
///
/// # Errors
/// [`LargePage`]; nothing has changed.
pub fn set_key(address: VirtAddr, key: Key) -> Result<Option<Key>, LargePage> {
    current_root().set_key(address, key)
}

/// Gives the page of 4 KiB at an address the key `to`, if it has the key `from`. Returns true if it had. Translations that CPUs have cached stay, as
/// those of [`set_key`] do.
#[inline]
pub fn exchange_key(address: VirtAddr, from: Key, to: Key) -> bool {
    current_root().exchange_key(address, from, to)
}

/// Gives all pages of 4 KiB with the key `from`, from `first` to `last`, the key `to`, as [`set_key`] does.
pub fn replace_key(addresses: (VirtAddr, VirtAddr), from: Key, to: Key) {
    current_root().replace_key(addresses, from, to);
}

/// Flushes the running CPU's cached translation of one address.
pub fn flush_translation(address: VirtAddr) {
    ::x86_64::instructions::tlb::flush(::x86_64::VirtAddr::new_truncate(address.0));
}

/// Returns what an address is mapped to, by the page tables as they are at this moment. `None` means that it is not mapped.
pub fn access_at(address: VirtAddr) -> Option<Mapping> {
    ::x86_64::VirtAddr::try_new(address.0).ok()?;
    let (mut table, mut rights) = (current_root(), PageRights::ALL);
    loop {
        let (entry, target) = table.load(table.index_of(address))?;
        rights = rights.through(entry);
        match target {
            Target::Table(next) => table = next,
            Target::Page => return Some(rights.mapping(entry, address, table.entry_bytes())),
        }
    }
}

/// Returns true if any address from `first` up to, but not including, `end` is mapped, by the page tables as they are at this
/// moment. Both are canonical addresses of one half.
pub fn is_any_mapped(first: VirtAddr, end: VirtAddr) -> bool {
    let mut address = first;
    while address < end {
        let mut table = current_root();
        loop {
            match table.load(table.index_of(address)) {
                Some((_, Target::Table(next))) => table = next,
                Some((_, Target::Page)) => return true,
                None => break,
            }
        }
        // Nothing of what this entry stands for is mapped.
        let bytes = table.entry_bytes();
        let Some(next) = (address.0 - address.0 % bytes).checked_add(bytes) else { return false };
        address = VirtAddr(next);
    }
    false
}

/// A page that is mapped.
#[derive(Clone, Copy, Debug)]
pub struct MappedPage {
    /// The page's first address.
    pub start: VirtAddr,
    /// The page's size in bytes.
    pub bytes: u64,
    /// What the page is mapped to.
    pub mapping: Mapping,
}

/// Calls `visit` for every mapped page, in ascending order. Only the self-tests need it; it is here for the format of the
/// tables that it walks.
pub fn visit_pages(visit: &mut dyn FnMut(&MappedPage)) {
    visit_table(current_root(), VirtAddr(0), PageRights::ALL, visit);
}

fn visit_table(table: Table, start: VirtAddr, rights: PageRights, visit: &mut dyn FnMut(&MappedPage)) {
    let bytes = table.entry_bytes();
    for index in 0..ENTRIES {
        let Some((entry, target)) = table.load(index) else { continue };
        let rights = rights.through(entry);
        // The upper half's addresses are sign-extended.
        let start = VirtAddr(::x86_64::VirtAddr::new_truncate(start.0 + index as u64 * bytes).as_u64());
        match target {
            Target::Table(next) => visit_table(next, start, rights, visit),
            Target::Page => visit(&MappedPage { start, bytes, mapping: rights.mapping(entry, start, bytes) }),
        }
    }
}

/// Returns the root of the page tables in use.
pub fn current_root() -> Table {
    let root = PhysAddr(Cr3::read().0.start_address().as_u64());
    // SAFETY: CR3 holds the frame of a root: the boot loader's or, from `NewAddressSpace::enter` on, the kernel's. The tables of
    // both are never freed: the allocator never gets the boot loader's frames, and `Table` frees none of its own.
    unsafe { Table::root(FrameNumber::containing(root)) }
}
