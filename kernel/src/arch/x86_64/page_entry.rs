//! Page-table entries as values: how an entry is encoded, and what it allows (Intel SDM vol. 3 §4.5, §4.6).
use ::address_space::PageSize;
use ::x86_64::structures::paging::PageTableFlags;
use protection_keys::Key;
use units::{FRAME_SIZE, FrameNumber, PhysAddr, VirtAddr};

/// What may be done with a mapped page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PageKind {
    /// Read.
    Constant,
    /// Read and written.
    Data,
    /// Read and executed.
    Code,
    /// Read and written, never cached: a device's registers.
    Device,
    /// Read, never cached: a device's registers that the kernel alone writes.
    DeviceConstant,
    /// Read and written, never cached, but writes may be combined: a device's memory.
    WriteCombined,
}

/// What an address is mapped to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mapping {
    /// The physical address.
    pub address: PhysAddr,
    /// True if the page may be written.
    pub writable: bool,
    /// True if the page may be executed.
    pub executable: bool,
    /// The page's key.
    pub key: Key,
}

/// An entry of a page table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entry(u64);

/// The lowest of the four bits of an entry that hold the key.
const KEY_SHIFT: u32 = 59;
/// The bits of an entry that hold an address.
const ADDRESS: u64 = 0x000f_ffff_ffff_f000;

impl Entry {
    /// The entry that leads nowhere.
    pub const UNUSED: Self = Self(0);

    /// Returns the entry that leads to the page table in `frame`. It allows writing and executing: the
    /// page's own entry limits these rights.
    pub const fn table(frame: FrameNumber) -> Self {
        let flags = PageTableFlags::PRESENT.union(PageTableFlags::WRITABLE);
        Self(frame.address().0 | flags.bits())
    }

    /// Returns the entry that leads to a page of this size and kind, which starts with frame `first`.
    pub fn page(first: FrameNumber, size: PageSize, kind: PageKind) -> Self {
        let rights = match kind {
            PageKind::Constant => PageTableFlags::NO_EXECUTE,
            PageKind::Data => PageTableFlags::WRITABLE | PageTableFlags::NO_EXECUTE,
            PageKind::Code => PageTableFlags::empty(),
            // Both cache bits: strongly uncacheable. One: write-combining. Both by the kernel's page attribute table
            // (`registers.rs`, Intel SDM vol. 3 §12.12.3).
            PageKind::Device => {
                PageTableFlags::WRITABLE
                    | PageTableFlags::NO_EXECUTE
                    | PageTableFlags::NO_CACHE
                    | PageTableFlags::WRITE_THROUGH
            }
            PageKind::DeviceConstant => {
                PageTableFlags::NO_EXECUTE | PageTableFlags::NO_CACHE | PageTableFlags::WRITE_THROUGH
            }
            PageKind::WriteCombined => {
                PageTableFlags::WRITABLE | PageTableFlags::NO_EXECUTE | PageTableFlags::WRITE_THROUGH
            }
        };
        let size = if size == PageSize::Small { PageTableFlags::empty() } else { PageTableFlags::HUGE_PAGE };
        Self(first.address().0 | (PageTableFlags::PRESENT | rights | size).bits())
    }

    /// Returns the entry that these bits encode.
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// Returns the entry's encoding.
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// Returns the key of the page that the entry leads to.
    pub const fn key(self) -> Key {
        Key::from_number((self.0 >> KEY_SHIFT) as u8)
    }

    /// Returns the entry with another key, for a page.
    pub const fn with_key(self, key: Key) -> Self {
        Self(self.0 & !(15 << KEY_SHIFT) | (key.number() as u64) << KEY_SHIFT)
    }

    /// Returns the entry of the part with this index of a large page, in the table of the next lower `level`. `self` is the entry of the
    /// large page, whose attributes the kernel's page kinds give it.
    pub const fn part(self, index: usize, level: u32) -> Self {
        // In a large page's entry, bit 12 would be a part of the memory type. No page kind sets it (`registers.rs`).
        let base = self.0 & ADDRESS;
        let rest = self.0 & !ADDRESS;
        let rest = if level == 1 { rest & !PageTableFlags::HUGE_PAGE.bits() } else { rest };
        Self((base + index as u64 * entry_bytes(level)) | rest)
    }

    /// Returns true if the entry leads to a table or a page.
    pub fn is_present(self) -> bool {
        self.has(PageTableFlags::PRESENT)
    }

    /// Returns true if the entry, a present one in a table of this level, leads to a page and not to a table.
    pub fn is_page(self, level: u32) -> bool {
        level == 1 || self.has(PageTableFlags::HUGE_PAGE)
    }

    /// Returns the frame of the table that the entry leads to.
    pub const fn frame(self) -> FrameNumber {
        FrameNumber::containing(PhysAddr(self.0 & ADDRESS))
    }

    fn has(self, flag: PageTableFlags) -> bool {
        self.0 & flag.bits() != 0
    }
}

/// What all entries on the way to a page allow together (Intel SDM vol. 3 §4.6).
#[derive(Clone, Copy)]
pub struct PageRights {
    writable: bool,
    executable: bool,
}

impl PageRights {
    /// The rights before the first entry.
    pub const ALL: Self = Self { writable: true, executable: true };

    /// Returns the rights that remain behind `entry`.
    pub fn through(self, entry: Entry) -> Self {
        Self {
            writable: self.writable && entry.has(PageTableFlags::WRITABLE),
            executable: self.executable && !entry.has(PageTableFlags::NO_EXECUTE),
        }
    }

    /// Returns what `address` is mapped to, by the entry of its page of `page_bytes` bytes.
    pub fn mapping(self, entry: Entry, address: VirtAddr, page_bytes: u64) -> Mapping {
        let offset_mask = page_bytes - 1;
        // The mask also clears bit 12, which in a large page's entry belongs to the memory type.
        let base = entry.0 & ADDRESS & !offset_mask;
        let address = PhysAddr(base | (address.0 & offset_mask));
        Mapping { address, writable: self.writable, executable: self.executable, key: entry.key() }
    }
}

/// The level of the root. The levels below are numbered down to 1.
pub const ROOT_LEVEL: u32 = 4;

/// Returns the level of the tables whose entries lead to pages of this size.
pub fn level_of(size: PageSize) -> u32 {
    size as u32 + 1
}

/// Returns how many bytes of address space an entry of a table of this level stands for.
pub const fn entry_bytes(level: u32) -> u64 {
    FRAME_SIZE << (9 * (level - 1))
}
