//! Page tables: mapping, unmapping and looking up, in the one address space that all CPUs share (Intel SDM vol. 3 §4.5).
use crate::memory::address_space::PHYSICAL_MEMORY;
use crate::sync::{Rank, SpinLock};
use ::x86_64::registers::control::Cr3;
use ::x86_64::structures::paging::mapper::MapToError;
use ::x86_64::structures::paging::{
    FrameAllocator, Mapper, OffsetPageTable, Page, PageTable, PageTableFlags, PhysFrame, Size4KiB,
};
use units::{FrameNumber, PhysAddr, VirtAddr};

/// What may be done with a mapped page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Read only.
    Constant,
    /// Read and written.
    Data,
    /// Read and executed.
    Code,
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

/// Guards the page tables; interrupts are off while it is held. Frames for tables are allocated under it.
static TABLES: SpinLock<()> = SpinLock::new(Rank::PageTables, ());

/// Where the kernel reads and writes this physical address. The pointer may be followed only where there is memory, or a
/// device's registers below 4 GiB.
#[inline]
pub fn physical_memory(address: PhysAddr) -> *mut u8 {
    core::ptr::with_exposed_provenance_mut((PHYSICAL_MEMORY.0 + address.0) as usize)
}

struct TableFrames<'a>(&'a mut dyn FnMut() -> Option<FrameNumber>);

// SAFETY: the frames come from the page allocator, which hands out each but once.
unsafe impl FrameAllocator<Size4KiB> for TableFrames<'_> {
    fn allocate_frame(&mut self) -> Option<PhysFrame> {
        let frame = (self.0)()?;
        Some(PhysFrame::containing_address(::x86_64::PhysAddr::new(frame.address().0)))
    }
}

/// The tables of the address space.
///
/// # Safety
/// The caller holds [`TABLES`], and drops the result before it gives that back.
unsafe fn tables<'a>() -> OffsetPageTable<'a> {
    let root = physical_memory(PhysAddr(Cr3::read().0.start_address().as_u64())).cast::<PageTable>();
    // SAFETY: all of physical memory is mapped at this offset, and the lock makes this the only reference to the tables.
    unsafe { OffsetPageTable::new(&mut *root, ::x86_64::VirtAddr::new(PHYSICAL_MEMORY.0)) }
}

/// Maps the page at `page` to `frame`. Frames for page tables that are missing come from `table_frames`.
///
/// # Errors
/// [`MapError`]; the page is then as it was before.
///
/// # Safety
/// Nothing else uses the frame in a way that `kind` contradicts, and the page lies in a part of the address space that is
/// the caller's to map.
pub unsafe fn map(
    page: VirtAddr,
    frame: FrameNumber,
    kind: Kind,
    table_frames: &mut dyn FnMut() -> Option<FrameNumber>,
) -> Result<(), MapError> {
    let flags = match kind {
        Kind::Constant => PageTableFlags::PRESENT | PageTableFlags::NO_EXECUTE,
        Kind::Data => PageTableFlags::PRESENT | PageTableFlags::WRITABLE | PageTableFlags::NO_EXECUTE,
        Kind::Code => PageTableFlags::PRESENT,
    };
    let table_flags = PageTableFlags::PRESENT | PageTableFlags::WRITABLE;
    let target = PhysFrame::<Size4KiB>::containing_address(::x86_64::PhysAddr::new(frame.address().0));
    let place = Page::containing_address(::x86_64::VirtAddr::new(page.0));
    let _guard = TABLES.lock();
    // SAFETY: the lock is held; the caller vouches for page and frame.
    match unsafe {
        tables().map_to_with_table_flags(place, target, flags, table_flags, &mut TableFrames(table_frames))
    } {
        // A page that was not there is in no translation cache, on no CPU.
        Ok(flush) => {
            flush.ignore();
            Ok(())
        }
        Err(MapToError::FrameAllocationFailed) => Err(MapError::NoFrame(page)),
        Err(_) => Err(MapError::InUse(page)),
    }
}

/// Takes the mapping of the page at `page` away and returns its frame; `None` where there was none. Only this CPU forgets
/// the translation at once.
///
/// # Safety
/// Nobody uses the page any more, and no other CPU has used it.
pub unsafe fn unmap(page: VirtAddr) -> Option<FrameNumber> {
    let place = Page::<Size4KiB>::containing_address(::x86_64::VirtAddr::new(page.0));
    let _guard = TABLES.lock();
    // SAFETY: the lock is held.
    let (frame, flush) = unsafe { tables() }.unmap(place).ok()?;
    flush.flush();
    Some(FrameNumber::containing(PhysAddr(frame.start_address().as_u64())))
}

/// The physical address behind a virtual one; `None` where nothing is mapped.
pub fn translate(address: VirtAddr) -> Option<PhysAddr> {
    access_at(address).map(|mapping| mapping.address)
}

/// What an address leads to and what may be done there, over all levels of the tables; `None` where nothing is mapped.
pub fn access_at(address: VirtAddr) -> Option<Mapping> {
    let page = ::x86_64::VirtAddr::try_new(address.0).ok()?;
    let _guard = TABLES.lock();
    let mut table = PhysAddr(Cr3::read().0.start_address().as_u64());
    let (mut writable, mut executable) = (true, true);
    let indices = [page.p4_index(), page.p3_index(), page.p2_index(), page.p1_index()];
    for (depth, index) in indices.into_iter().enumerate() {
        // SAFETY: a table that the CPU uses lies in memory, and the lock keeps others from changing it.
        let entry = unsafe { &(&*physical_memory(table).cast::<PageTable>())[index] };
        let flags = entry.flags();
        if !flags.contains(PageTableFlags::PRESENT) {
            return None;
        }
        writable &= flags.contains(PageTableFlags::WRITABLE);
        executable &= !flags.contains(PageTableFlags::NO_EXECUTE);
        let page_bits = 12 + 9 * (3 - depth as u32);
        if depth == 3 || flags.contains(PageTableFlags::HUGE_PAGE) {
            let offset_mask = (1_u64 << page_bits) - 1;
            // Bit 12 of a large page's entry is part of its memory type, not of its address.
            let base = entry.addr().as_u64() & !offset_mask;
            return Some(Mapping {
                address: PhysAddr(base | (address.0 & offset_mask)),
                writable,
                executable,
            });
        }
        table = PhysAddr(entry.addr().as_u64());
    }
    None
}
