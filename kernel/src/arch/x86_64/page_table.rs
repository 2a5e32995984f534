//! Page tables: one table as an array of atomic entries, the way down from one table to the next, and runs of entries filled
//! and emptied (Intel SDM vol. 3 §4.5).
use super::page_entry::{Entry, PageKind, ROOT_LEVEL, entry_bytes, level_of};
use super::physical_memory::physical_memory;
use ::address_space::PageSize;
use core::ops::RangeInclusive;
use core::sync::atomic::{AtomicU64, Ordering};
use protection_keys::Key;
use units::{FRAME_SIZE, FrameNumber, FrameRange, VirtAddr};

/// Entries in a table.
pub const ENTRIES: usize = 512;

/// Why a page could not be mapped, and the first page that was not.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MapError {
    /// There is no frame for a page table.
    NoFrame(VirtAddr),
    /// Something is mapped there already.
    InUse(VirtAddr),
}

impl MapError {
    /// Returns the first page that was not mapped.
    pub fn page(self) -> VirtAddr {
        let (Self::NoFrame(page) | Self::InUse(page)) = self;
        page
    }
}

/// A page is larger than 4 KiB, so its parts have one key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LargePage;

/// Where the frames for missing page tables come from. `None` means that there are no more.
pub type TableFrames<'a> = dyn FnMut() -> Option<FrameNumber> + 'a;

/// Returns how many tables of this level and of those below it the addresses from `first` to `last` need.
fn tables_for(level: u32, first: u64, last: u64) -> u64 {
    let table_bytes = |level| entry_bytes(level + 1);
    (1..=level).map(|level| last / table_bytes(level) - first / table_bytes(level) + 1).sum()
}

/// A page table.
///
/// The entries are atomic because a CPU's page walker and other CPUs' lookups may read them at any time. A frame
/// that holds a page table holds one for good: it is never freed. So a lookup needs no lock. Each
/// present entry leads to a page, or to a table of the next lower level.
#[derive(Clone, Copy)]
pub struct Table {
    entries: &'static [AtomicU64; ENTRIES],
    /// [`ROOT_LEVEL`] for the root, 1 for the tables of pages of 4 KiB.
    level: u32,
}

/// What a present entry leads to.
pub enum Target {
    /// A page.
    Page,
    /// A table of the next lower level.
    Table(Table),
}

impl Table {
    /// Returns the page table of this level that lies in `frame`.
    ///
    /// # Safety
    /// The frame holds a page table of this level, and does so for good.
    unsafe fn at(frame: FrameNumber, level: u32) -> Self {
        // SAFETY: by `# Safety` the frame is a table for good. A table lies in RAM, which `physical_memory` maps, and fills one
        // frame; every access to it is atomic.
        let entries = unsafe { &*physical_memory(frame.address()).cast() };
        Self { entries, level }
    }

    /// Returns the root page table that lies in `frame`.
    ///
    /// # Safety
    /// The frame holds a table of level [`ROOT_LEVEL`] for good, as do the frames of all tables that it leads to.
    pub unsafe fn root(frame: FrameNumber) -> Self {
        // SAFETY: by `# Safety` the frame holds a table of this level for good.
        unsafe { Self::at(frame, ROOT_LEVEL) }
    }

    /// Makes `frame` an empty page table of this level.
    ///
    /// # Safety
    /// The frame is RAM, and nothing else uses it from now on.
    pub unsafe fn empty(frame: FrameNumber, level: u32) -> Self {
        // SAFETY: by `# Safety` the frame is RAM that nothing else uses. A frame of zeros is a table without present entries.
        unsafe {
            physical_memory(frame.address()).write_bytes(0, FRAME_SIZE as usize);
            Self::at(frame, level)
        }
    }

    /// Returns how many bytes of address space each entry stands for.
    pub fn entry_bytes(self) -> u64 {
        entry_bytes(self.level)
    }

    /// Returns the index of the entry that `address` is looked up in.
    pub fn index_of(self, address: VirtAddr) -> usize {
        (address.0 / self.entry_bytes()) as usize % ENTRIES
    }

    /// Reads an entry, and says what it leads to. `None` means nowhere.
    pub fn load(self, index: usize) -> Option<(Entry, Target)> {
        // Acquire: the contents of the table that the entry leads to were written before the entry.
        let entry = Entry::from_bits(self.entries[index].load(Ordering::Acquire));
        if !entry.is_present() {
            None
        } else if entry.is_page(self.level) {
            Some((entry, Target::Page))
        } else {
            // SAFETY: a present entry of a `Table` that leads to no page leads to a table of the next lower level.
            Some((entry, Target::Table(unsafe { Self::at(entry.frame(), self.level - 1) })))
        }
    }

    /// Writes an entry.
    ///
    /// # Safety
    /// No other CPU writes the entry meanwhile. The entry is one that a table of this level may have, and what it
    /// makes reachable may be reached.
    unsafe fn store(self, index: usize, entry: Entry) {
        self.entries[index].store(entry.bits(), Ordering::Release);
    }

    /// Copies entries of `from`, a table of the same level. The tables that they lead to are shared from then on.
    ///
    /// # Safety
    /// Nothing else writes entries of this table meanwhile, and what `from` makes reachable may be reached here.
    pub unsafe fn copy_entries(self, from: Self, indices: RangeInclusive<usize>) {
        for index in indices {
            let entry = from.entries[index].load(Ordering::Acquire);
            // SAFETY: by `# Safety` nothing else writes this table, and what the entry makes reachable may be reached here. The entry
            // comes from a table of this level.
            unsafe { self.store(index, Entry::from_bits(entry)) };
        }
    }

    /// Empties entries.
    ///
    /// # Safety
    /// Nothing else writes entries of this table meanwhile, and nothing uses what they make reachable.
    pub unsafe fn clear_entries(self, indices: RangeInclusive<usize>) {
        for index in indices {
            // SAFETY: by `# Safety` nothing else writes this table. An unused entry makes nothing reachable.
            unsafe { self.store(index, Entry::UNUSED) };
        }
    }

    /// Returns the table of level 1 that `address` is looked up in, or `None` if there is none.
    fn lowest(self, address: VirtAddr) -> Option<Self> {
        let mut table = self;
        while table.level > 1 {
            let (_, Target::Table(next)) = table.load(table.index_of(address))? else { return None };
            table = next;
        }
        Some(table)
    }

    /// Returns the table of `level` that `address` is looked up in. Makes the tables that are missing on the way.
    ///
    /// # Safety
    /// As for [`Table::map`].
    unsafe fn make_way(
        self,
        address: VirtAddr,
        level: u32,
        table_frames: &mut TableFrames<'_>,
    ) -> Result<Self, MapError> {
        let mut table = self;
        while table.level > level {
            let index = table.index_of(address);
            table = match table.load(index) {
                Some((_, Target::Table(next))) => next,
                Some((_, Target::Page)) => return Err(MapError::InUse(address)),
                None => {
                    let frame = table_frames().ok_or(MapError::NoFrame(address))?;
                    // SAFETY: by the conditions of `map`, frames from `table_frames` are RAM that nothing else uses, and no
                    // other CPU writes entries of these tables. An empty table makes nothing reachable.
                    unsafe {
                        let new = Self::empty(frame, table.level - 1);
                        table.store(index, Entry::table(frame));
                        new
                    }
                }
            };
        }
        Ok(table)
    }

    /// Returns how many tables are missing on the way to `pages` pages of 4 KiB from `start` on. Other CPUs may make some of them
    /// meanwhile, and remove none. `self` is a root.
    pub fn missing_tables(self, start: VirtAddr, pages: u64) -> u64 {
        let last = VirtAddr(start.0 + pages.max(1) * FRAME_SIZE - 1);
        self.missing_below(start, last)
    }

    /// Returns how many tables below this one are missing for the addresses from `first` to `last`, all of which this one covers.
    fn missing_below(self, first: VirtAddr, last: VirtAddr) -> u64 {
        if self.level == 1 {
            return 0;
        }
        let (bytes, base) = (self.entry_bytes(), first.0 & !(self.entry_bytes() - 1));
        let parts = (self.index_of(first)..=self.index_of(last)).zip((base..).step_by(bytes as usize));
        parts
            .map(|(index, part)| match self.load(index) {
                None => tables_for(self.level - 1, first.0.max(part), last.0.min(part + (bytes - 1))),
                Some((_, Target::Page)) => 0,
                Some((_, Target::Table(next))) => {
                    let (first, last) = (first.0.max(part), last.0.min(part + (bytes - 1)));
                    next.missing_below(VirtAddr(first), VirtAddr(last))
                }
            })
            .sum()
    }

    /// Maps consecutive frames from `start` on, with pages of one size and kind. `self` is a root.
    ///
    /// # Errors
    /// [`MapError`]; the pages before the one that it names are mapped.
    ///
    /// # Safety
    /// - No other CPU writes entries of the tables under this root meanwhile.
    /// - What `kind` allows with the frames may be done with them, from these addresses.
    /// - `table_frames` returns frames of RAM that nothing else uses, now or later.
    pub unsafe fn map(
        self,
        start: VirtAddr,
        frames: FrameRange,
        size: PageSize,
        kind: PageKind,
        table_frames: &mut TableFrames<'_>,
    ) -> Result<(), MapError> {
        let page_of = |frame| VirtAddr(start.0 + (frame - frames.start.0) * FRAME_SIZE);
        let mut frame = frames.start.0;
        while frame < frames.end.0 {
            // SAFETY: the conditions of `make_way` are those of `map`, which `# Safety` gives.
            let table = unsafe { self.make_way(page_of(frame), level_of(size), table_frames)? };
            for index in table.index_of(page_of(frame))..ENTRIES {
                if frame >= frames.end.0 {
                    break;
                }
                if table.load(index).is_some() {
                    return Err(MapError::InUse(page_of(frame)));
                }
                // SAFETY: `make_way` has returned a table of the level for pages of this size. By `# Safety` no other CPU writes it,
                // and the frames may be used as `kind` says.
                unsafe { table.store(index, Entry::page(FrameNumber(frame), size, kind)) };
                frame += size.frames();
            }
        }
        Ok(())
    }

    /// Writes the entries of `pages` pages of 4 KiB from `start` on, where all of them lie in one table that exists. Returns false, and writes
    /// nothing, if they do not. `self` is a root.
    ///
    /// # Safety
    /// Nothing else writes these entries meanwhile. They are entries of the lowest level, and what they make reachable may be reached.
    pub unsafe fn write_lowest(self, start: VirtAddr, pages: u64, entry_of: impl Fn(u64) -> Entry) -> bool {
        let Some(table) = self.lowest(start) else { return false };
        let first = table.index_of(start);
        if first + pages as usize > ENTRIES {
            return false;
        }
        for page in 0..pages {
            // SAFETY: by `# Safety` nothing else writes the entry, which a table of this level may have.
            unsafe { table.store(first + page as usize, entry_of(page)) };
        }
        true
    }

    /// Gives the page of 4 KiB at an address another key. Returns the key that the page had, or `None` if nothing is mapped there. `self` is a
    /// root. Other CPUs may change keys and split pages meanwhile.
    ///
    /// # Errors
    /// [`LargePage`]; nothing has changed.
    pub fn set_key(self, address: VirtAddr, key: Key) -> Result<Option<Key>, LargePage> {
        let mut table = self;
        loop {
            let index = table.index_of(address);
            match table.load(index) {
                None => return Ok(None),
                Some((_, Target::Table(next))) => table = next,
                Some((entry, Target::Page)) if table.level == 1 => {
                    // Most blocks of a heap lie in a page that has its key.
                    if entry.key() != key {
                        table.change_key(index, key);
                    }
                    return Ok(Some(entry.key()));
                }
                Some((_, Target::Page)) => return Err(LargePage),
            }
        }
    }

    /// Gives the page of 4 KiB at an address the key `to`, if it has the key `from`. Returns true if it had. `self` is a root. Other CPUs may
    /// change keys and split pages meanwhile.
    #[inline]
    pub fn exchange_key(self, address: VirtAddr, from: Key, to: Key) -> bool {
        let mut table = self;
        loop {
            let index = table.index_of(address);
            match table.load(index) {
                Some((_, Target::Table(next))) => table = next,
                Some((entry, Target::Page)) if table.level == 1 && entry.key() == from => {
                    table.change_key(index, to);
                    return true;
                }
                _ => return false,
            }
        }
    }

    /// Changes the key in an entry of a page. CPUs may set bits of the entry at the same time.
    fn change_key(self, index: usize, key: Key) {
        let change = |bits| Some(Entry::from_bits(bits).with_key(key).bits());
        let _ = self.entries[index].try_update(Ordering::Release, Ordering::Relaxed, change);
    }

    /// Splits the large page at an address, if there is one, into pages of the next smaller size. `self` is a root.
    ///
    /// # Errors
    /// [`MapError::NoFrame`]; nothing has changed.
    ///
    /// # Safety
    /// No other CPU splits, maps or unmaps pages under this root meanwhile. Frames from `table_frames` are RAM that nothing else uses, now or later.
    pub unsafe fn split_at(
        self,
        address: VirtAddr,
        table_frames: &mut TableFrames<'_>,
    ) -> Result<(), MapError> {
        let mut table = self;
        loop {
            let index = table.index_of(address);
            match table.load(index) {
                Some((_, Target::Table(next))) => table = next,
                Some((entry, Target::Page)) if table.level > 1 => {
                    let frame = table_frames().ok_or(MapError::NoFrame(address))?;
                    // SAFETY: by `# Safety` the frame is RAM that nothing else uses, and no other CPU writes this table: keys are changed only
                    // in tables of level 1.
                    unsafe { table.split(index, entry, frame) };
                    return Ok(());
                }
                _ => return Ok(()),
            }
        }
    }

    /// Replaces the entry of a large page by that of a table, in `frame`, with entries for its parts.
    ///
    /// # Safety
    /// The frame is RAM that nothing else uses, now or later. No other CPU writes this table.
    unsafe fn split(self, index: usize, entry: Entry, frame: FrameNumber) {
        // SAFETY: by `# Safety`.
        let parts = unsafe { Self::empty(frame, self.level - 1) };
        for part in 0..ENTRIES {
            // SAFETY: the table is new, so no other CPU knows it. What the parts make reachable was reachable before.
            unsafe { parts.store(part, entry.part(part, parts.level)) };
        }
        // SAFETY: as above. A CPU that has cached the large page reaches the same frames with it.
        unsafe { self.store(index, Entry::table(frame)) };
    }

    /// Gives all pages of 4 KiB with the key `from`, from `first` to `last`, the key `to`. `self` is a root. Other CPUs may change keys and split
    /// pages meanwhile.
    pub fn replace_key(self, (first, last): (VirtAddr, VirtAddr), from: Key, to: Key) {
        let bytes = self.entry_bytes();
        let parts = (first.0 & !(bytes - 1)..).step_by(bytes as usize);
        for (index, part) in (self.index_of(first)..=self.index_of(last)).zip(parts) {
            match self.load(index) {
                Some((_, Target::Table(next))) => {
                    let part = (VirtAddr(first.0.max(part)), VirtAddr(last.0.min(part + (bytes - 1))));
                    next.replace_key(part, from, to);
                }
                Some((entry, Target::Page)) if self.level == 1 && entry.key() == from => {
                    self.change_key(index, to);
                }
                _ => {}
            }
        }
    }

    /// Empties the entries of `pages` pages of 4 KiB from `start` on. Returns true if one of them was mapped. `self` is a root.
    /// The tables stay: the next pages at these addresses use them.
    ///
    /// # Safety
    /// No other CPU writes entries of the tables under this root meanwhile, and nothing uses the pages.
    pub unsafe fn unmap(self, start: VirtAddr, pages: u64) -> bool {
        let (mut page, mut found) = (0, false);
        while page < pages {
            let address = VirtAddr(start.0 + page * FRAME_SIZE);
            let first = address.0 as usize / FRAME_SIZE as usize % ENTRIES;
            let count = ((ENTRIES - first) as u64).min(pages - page);
            if let Some(table) = self.lowest(address) {
                for index in first..first + count as usize {
                    found |= table.load(index).is_some();
                    // SAFETY: by `# Safety` no other CPU writes this table. An unused entry makes nothing reachable.
                    unsafe { table.store(index, Entry::UNUSED) };
                }
            }
            page += count;
        }
        found
    }
}
