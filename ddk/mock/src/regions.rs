//! Memory between pages without access rights: an access beyond it, or after it was freed, raises SIGSEGV.
use crate::world::look_at_regions;
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::ptr::null_mut;

/// Bytes of a page.
pub const PAGE: usize = 4096;

/// What fills memory whose content is undefined.
pub const POISON: u8 = 0xd5;
/// What fills the rest of a block's pages, where nothing may write.
const CANARY: u8 = 0xc9;

/// What a region is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Use {
    /// A block of the heap.
    Heap,
    /// Pages.
    Pages,
    /// Memory of each CPU.
    PerCpu,
    /// DMA memory.
    Dma,
    /// Registers of a device, which trap.
    Registers,
    /// A thread's stack.
    Stack,
    /// Memory of the test, for requests.
    Buffer,
}

impl Use {
    /// Returns the name for a report.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Heap => "a heap block",
            Self::Pages => "pages",
            Self::PerCpu => "memory of each CPU",
            Self::Dma => "DMA memory",
            Self::Registers => "device memory",
            Self::Stack => "a stack",
            Self::Buffer => "a buffer of the test",
        }
    }
}

/// Memory with a guard page on both sides.
#[derive(Clone, Debug)]
pub struct Region {
    /// The address of the first byte that may be used.
    pub start: usize,
    /// The bytes that may be used.
    pub bytes: usize,
    /// What it is for.
    pub what: Use,
    /// Nobody may access it any more.
    pub is_freed: bool,
    /// The pages between the guard pages.
    first: usize,
    end: usize,
}

impl Region {
    /// Returns the pages between the guard pages: the address of the first one, and their bytes.
    pub const fn pages(&self) -> (usize, usize) {
        (self.first, self.end - self.first)
    }

    fn is_intact(&self) -> bool {
        let rests = [(self.first, self.start), (self.start + self.bytes, self.end)];
        rests.into_iter().all(|(first, end)| {
            // SAFETY: the addresses lie in the region's pages, which are mapped and readable until it is freed, and nothing writes them
            // meanwhile.
            let rest = unsafe { std::slice::from_raw_parts(pointer(first), end - first) };
            rest.iter().all(|byte| *byte == CANARY)
        })
    }

    /// Says where an address lies.
    pub fn describe(&self, address: usize) -> String {
        let (what, bytes) = (self.what.name(), self.bytes);
        let state = if self.is_freed { ", which was freed" } else { "" };
        if address < self.start {
            format!("{} bytes before {what} of {bytes} bytes{state}", self.start - address)
        } else if address >= self.start + bytes {
            format!("{} bytes behind {what} of {bytes} bytes{state}", address - self.start - bytes)
        } else {
            format!("byte {} of {what} of {bytes} bytes{state}", address - self.start)
        }
    }
}

/// All regions, by the address of their first guard page. No address is used twice.
#[derive(Default, Debug)]
pub struct Regions(BTreeMap<usize, Region>);

impl Regions {
    /// Allocates memory whose first byte has this alignment, a power of two. It ends at the guard page if the alignment allows that, and
    /// is filled with `fill`. Without `fill` it has no access rights. Returns `None` if the host has no memory.
    pub fn allocate(
        &mut self,
        bytes: usize,
        alignment: usize,
        what: Use,
        fill: Option<u8>,
    ) -> Option<*mut u8> {
        let used = bytes.checked_next_multiple_of(alignment.min(PAGE))?.checked_next_multiple_of(PAGE)?;
        let slack = alignment.saturating_sub(PAGE);
        let total = used.checked_add(slack)?.checked_add(2 * PAGE)?;
        // SAFETY: the kernel chooses the address, so the mapping replaces none.
        let base = unsafe { libc::mmap(null_mut(), total, libc::PROT_NONE, MAP, -1, 0) };
        if base == libc::MAP_FAILED {
            return None;
        }
        let base = base.expose_provenance();
        let first = (base + PAGE).next_multiple_of(alignment.max(PAGE));
        let end = first + used;
        let start = if alignment >= PAGE { first } else { (end - bytes) / alignment * alignment };
        if let Some(fill) = fill {
            let all = libc::PROT_READ | libc::PROT_WRITE;
            // SAFETY: the pages lie in the mapping that was made above, and nothing uses them.
            unsafe {
                if libc::mprotect(pointer(first).cast(), used, all) != 0 {
                    return None;
                }
                // Fresh pages are zero.
                if fill != 0 {
                    pointer(start).write_bytes(fill, bytes);
                }
                pointer(first).write_bytes(CANARY, start - first);
                pointer(start + bytes).write_bytes(CANARY, end - start - bytes);
            }
        }
        self.0.insert(base, Region { start, bytes, what, is_freed: false, first, end });
        Some(pointer(start))
    }

    /// Takes all rights from a region that begins at this address, and frees its pages. Returns false if bytes around it were
    /// overwritten; `None` if there is no such region of this use.
    pub fn free(&mut self, start: usize, what: Use) -> Option<bool> {
        let region = self.at(start).filter(|region| region.start == start && region.what == what)?;
        if region.is_freed {
            return None;
        }
        let is_intact = matches!(what, Use::Registers | Use::Stack) || region.is_intact();
        region.is_freed = true;
        // SAFETY: the pages are the region's, which nothing uses any more: the driver has freed it.
        unsafe {
            libc::mmap(
                pointer(region.first).cast(),
                region.end - region.first,
                libc::PROT_NONE,
                MAP | libc::MAP_FIXED,
                -1,
                0,
            )
        };
        Some(is_intact)
    }

    fn at(&mut self, address: usize) -> Option<&mut Region> {
        let region = self.0.range_mut(..=address).next_back()?.1;
        (address < region.end + PAGE).then_some(region)
    }

    /// Returns the region that has an address, or a guard page of which has it.
    pub fn find(&self, address: usize) -> Option<&Region> {
        let region = self.0.range(..=address).next_back()?.1;
        (address < region.end + PAGE).then_some(region)
    }

    /// Returns the regions around which bytes were overwritten.
    pub fn overrun(&self) -> impl Iterator<Item = &Region> {
        let filled = |region: &&Region| !matches!(region.what, Use::Registers | Use::Stack);
        self.0.values().filter(|region| !region.is_freed).filter(filled).filter(|region| !region.is_intact())
    }
}

const MAP: libc::c_int = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;

/// Returns the pointer to an address of a mapping.
pub const fn pointer(address: usize) -> *mut u8 {
    std::ptr::with_exposed_provenance_mut(address)
}

/// What is known of the process's own memory: pages of no region that could be read, and whether they could be written. They stay.
#[derive(Default)]
struct OwnPages(RefCell<HashMap<usize, bool>>);

thread_local! {
    static OWN_PAGES: OwnPages = OwnPages::default();
}

/// What is known of an access without asking the process's kernel.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Known {
    /// It is allowed.
    Allowed,
    /// The page is of no region. It may be the process's own.
    Unknown(usize),
    /// Nothing.
    Nothing,
}

/// Returns what is known of an access. Most are to what the driver was given, or to memory of the process that was looked at before.
fn known(address: usize, bytes: usize, is_write: bool) -> Known {
    let page = address / PAGE;
    let in_one_page = bytes > 0 && address.checked_add(bytes - 1).is_some_and(|last| last / PAGE == page);
    let look = |regions: &Regions| match regions.find(address) {
        Some(region) => {
            let is_inside = address >= region.start
                && address.checked_add(bytes).is_some_and(|end| end <= region.start + region.bytes);
            let is_given = !region.is_freed && region.what != Use::Registers;
            if is_inside && is_given { Known::Allowed } else { Known::Nothing }
        }
        None if in_one_page => Known::Unknown(page),
        None => Known::Nothing,
    };
    match look_at_regions(look) {
        Some(Known::Unknown(page)) => {
            let can_write = OWN_PAGES.with(|pages| pages.0.borrow().get(&page).copied());
            let is_allowed = can_write.is_some_and(|can_write| can_write || !is_write);
            if is_allowed { Known::Allowed } else { Known::Unknown(page) }
        }
        Some(known) => known,
        None => Known::Nothing,
    }
}

/// Notes that a page of the process could be read, or written.
fn note(known: Known, is_write: bool) {
    if let Known::Unknown(page) = known {
        OWN_PAGES.with(|pages| *pages.0.borrow_mut().entry(page).or_default() |= is_write);
    }
}

/// Returns true if the process can read so many bytes there.
pub fn is_readable(address: usize, bytes: usize) -> bool {
    let known = known(address, bytes, false);
    if known == Known::Allowed {
        return true;
    }
    let mut copy = vec![0_u8; bytes];
    let is_readable = transfer(address, &mut copy, false);
    if is_readable {
        note(known, false);
    }
    is_readable
}

/// Returns true if the process can write so many bytes there. They keep their values.
pub fn is_writable(address: usize, bytes: usize) -> bool {
    let known = known(address, bytes, true);
    if known == Known::Allowed {
        return true;
    }
    let mut copy = vec![0_u8; bytes];
    let is_writable = transfer(address, &mut copy, false) && transfer(address, &mut copy, true);
    if is_writable {
        note(known, true);
    }
    is_writable
}

/// Reads or writes memory of this process by its kernel, which refuses what is not mapped.
fn transfer(address: usize, bytes: &mut [u8], is_write: bool) -> bool {
    if bytes.is_empty() {
        return true;
    }
    let local = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() };
    let remote = libc::iovec { iov_base: pointer(address).cast(), iov_len: bytes.len() };
    // SAFETY: the local vector is the slice. The kernel checks the remote one.
    let moved = unsafe {
        let process = libc::getpid();
        if is_write {
            libc::process_vm_writev(process, &local, 1, &remote, 1, 0)
        } else {
            libc::process_vm_readv(process, &local, 1, &remote, 1, 0)
        }
    };
    moved == bytes.len() as isize
}
