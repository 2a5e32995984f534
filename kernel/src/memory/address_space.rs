//! The address space: what lies where in the kernel's half, and leaving the boot loader's tables for the kernel's own.
//!
//! Each part is far larger than anything that is put there, so that none grows into the next. docs/memory-map.md has them as
//! a table.
use super::{allocate, page_tables};
use crate::arch::{self, MapError, NewAddressSpace, PageKind};
use crate::platform::numa_topology;
use ::address_space::image::{self, SegmentRights};
pub use ::address_space::layout::*;
use memory_map::MemoryMap;
use units::{FRAME_SIZE, FrameNumber, FrameRange, NodeId, PhysAddr, PhysRange, VirtAddr};

/// Leaves the boot loader's page tables for the kernel's own. The boot loader's part stays until [`leave_boot_loader`].
///
/// `kernel_file` is where the boot loader has put the kernel's ELF file, whose segments are mapped from where they lie.
/// `tables` are firmware's tables as found, which stay readable.
///
/// # Panics
/// When there is no memory for page tables, or the kernel's own file makes no sense.
pub fn init(kernel_file: PhysRange, map: &MemoryMap, tables: &[&'static [u8]]) {
    arch::enable_protections();
    let root = table_frame(NodeId::ZERO).expect("there is memory for page tables");
    // SAFETY: the frame is fresh.
    let mut space = unsafe { NewAddressSpace::new(root) };
    map_physical_memory(&mut space, kernel_file, map).expect("there is memory for page tables");
    map_firmware_tables(&mut space, tables);
    map_kernel(&mut space, kernel_file).expect("there is memory for page tables");
    let apic = arch::apic_frame();
    // SAFETY: the APIC's registers are used by way of this page alone. The boot loader's part is left as it is until
    // nothing of it is used, and the rest of what the kernel uses was mapped above.
    unsafe {
        space
            .map(LOCAL_APIC, one(apic), PageKind::Device, &mut || table_frame(NodeId::ZERO))
            .expect("there is memory for page tables");
        space.keep_part(BOOT_LOADER, BOOT_LOADER_LAST);
        space.enter();
    }
}

/// Takes the boot loader's part out of the address space. Its frames stay taken.
///
/// # Safety
/// Nobody uses the boot loader's stack or the boot information any more.
pub unsafe fn leave_boot_loader() {
    // SAFETY: the caller vouches for it.
    unsafe { page_tables::forget_part(BOOT_LOADER, BOOT_LOADER_LAST) };
}

/// The bytes at an address of the boot loader's part, by way of physical memory, where they stay. `None` if they are not in
/// one piece there.
pub fn outlive_boot_loader(start: VirtAddr, length: u64) -> Option<&'static [u8]> {
    let physical = page_tables::translate(start)?;
    let in_one_piece = (0..length).step_by(FRAME_SIZE as usize).all(|offset| {
        page_tables::translate(VirtAddr(start.0 + offset)) == Some(PhysAddr(physical.0 + offset))
    });
    // SAFETY: the boot loader has put them there for the kernel, which never writes them.
    in_one_piece
        .then(|| unsafe { core::slice::from_raw_parts(arch::physical_memory(physical), length as usize) })
}

/// RAM, to be read and written; the kernel's file, in which its code and constants lie, only to be read. What is no RAM is
/// left out: devices must not be reached with the caches on.
fn map_physical_memory(
    space: &mut NewAddressSpace,
    kernel_file: PhysRange,
    map: &MemoryMap,
) -> Result<(), MapError> {
    let file = kernel_file.touched_frames();
    for range in &map.ram {
        let frames = range.whole_frames();
        let before = FrameRange { start: frames.start, end: frames.end.min(file.start) };
        let after = FrameRange { start: frames.start.max(file.end), end: frames.end };
        map_memory(space, before, PageKind::Data)?;
        map_memory(space, frames.intersection(file), PageKind::Constant)?;
        map_memory(space, after, PageKind::Data)?;
    }
    Ok(())
}

fn map_memory(space: &mut NewAddressSpace, frames: FrameRange, kind: PageKind) -> Result<(), MapError> {
    let start = VirtAddr(PHYSICAL_MEMORY.0 + frames.start.address().0);
    let node = numa_topology::get().node_of_address(frames.start.address()).unwrap_or(NodeId::ZERO);
    // SAFETY: the kernel keeps its memory apart by what the page allocator hands out; this is how it reaches it.
    unsafe { space.map(start, frames, kind, &mut || table_frame(node)) }
}

/// The tables' pages, where they are no RAM. They are few: a page that cannot be mapped fails at its first use.
fn map_firmware_tables(space: &mut NewAddressSpace, tables: &[&'static [u8]]) {
    for table in tables {
        let start = table.as_ptr().addr() as u64 - PHYSICAL_MEMORY.0;
        let frames = PhysRange::new(start, start + table.len() as u64).touched_frames();
        for frame in (frames.start.0..frames.end.0).map(FrameNumber) {
            let page = VirtAddr(PHYSICAL_MEMORY.0 + frame.address().0);
            // Tables share pages, so a page may be there already.
            // SAFETY: nobody writes firmware's tables.
            let _ =
                unsafe { space.map(page, one(frame), PageKind::Constant, &mut || table_frame(NodeId::ZERO)) };
        }
    }
}

/// The kernel's image, page by page where the boot loader has put it.
fn map_kernel(space: &mut NewAddressSpace, kernel_file: PhysRange) -> Result<(), MapError> {
    let start = arch::physical_memory(kernel_file.start);
    // SAFETY: the file is there, and nobody writes to what of it is read here: its headers.
    let file = unsafe { core::slice::from_raw_parts(start, kernel_file.len_bytes() as usize) };
    for part in image::parts(file).expect("the kernel's file is one that boots") {
        let kind = match part.rights {
            SegmentRights::Read => PageKind::Constant,
            SegmentRights::ReadWrite => PageKind::Data,
            SegmentRights::ReadExecute => PageKind::Code,
        };
        let mut pages = (0..part.pages)
            .map(|page| VirtAddr(part.start.0 + page * FRAME_SIZE))
            .map(|page| (page, page_tables::translate(page).expect("the kernel's image is mapped")))
            .map(|(page, address)| (page, FrameNumber::containing(address)))
            .peekable();
        while let Some((start, frame)) = pages.next() {
            let mut frames = one(frame);
            while pages.next_if(|(_, next)| *next == frames.end).is_some() {
                frames.end.0 += 1;
            }
            // SAFETY: the rights are those that the linker made the pages for.
            unsafe { space.map(start, frames, kind, &mut || table_frame(NodeId::ZERO))? };
        }
    }
    Ok(())
}

fn table_frame(node: NodeId) -> Option<FrameNumber> {
    allocate::allocate_table_frame(node)
}

fn one(frame: FrameNumber) -> FrameRange {
    FrameRange::new(frame.0, frame.0 + 1)
}
