//! The kernel's address space: builds it, enters it, and leaves the boot loader's part. What lies where is in
//! `address_space::layout`; docs/memory-map.md has it as a table.
use super::{allocate, page_tables};
use crate::arch::{self, MapError, NewAddressSpace, PageKind};
use crate::platform::numa_topology;
use crate::report::verdict;
use ::address_space::image::{self, SegmentRights};
use ::address_space::layout::{BOOT_LOADER, BOOT_LOADER_LAST, LOCAL_APIC, PHYSICAL_MEMORY};
use memory_map::MemoryMap;
use units::{FRAME_SIZE, FrameNumber, FrameRange, NodeId, PhysAddr, PhysRange, VirtAddr};

/// Builds the kernel's own page tables and makes the boot CPU use them. The boot loader's part of the address space stays until
/// [`leave_boot_loader`].
///
/// `kernel_file` is the physical memory where the boot loader has put the kernel's ELF file. The kernel runs its segments there.
///
/// If there is no memory for page tables, the boot ends with the verdict of failure.
///
/// # Panics
/// If the kernel's ELF file is not valid.
pub fn init(kernel_file: PhysRange, map: &MemoryMap) {
    let root = table_frame(NodeId::ZERO).unwrap_or_else(|| no_memory());
    // SAFETY: `table_frame` has allocated the frame from the page allocator, and nothing frees it.
    let mut space = unsafe { NewAddressSpace::new(root) };
    map_physical_memory(&mut space, kernel_file, map).unwrap_or_else(|_| no_memory());
    map_kernel(&mut space, kernel_file).unwrap_or_else(|_| no_memory());
    map_local_apic(&mut space).unwrap_or_else(|_| no_memory());
    // SAFETY: until `leave_boot_loader`, nothing changes the tables of the boot loader's part. The kernel uses its image, physical
    // memory and the APIC, which the lines above have mapped, and the boot loader's part, where the running stack is.
    unsafe {
        space.keep_part(BOOT_LOADER, BOOT_LOADER_LAST);
        space.enter();
    }
}

fn no_memory() -> ! {
    verdict::stop_without_memory_for("page tables")
}

/// Removes the boot loader's part from the address space. Its frames stay allocated.
///
/// # Safety
/// Nothing uses the boot loader's stack or the boot information.
pub unsafe fn leave_boot_loader() {
    // SAFETY: the boot loader's part holds its stack, the boot information and the ramdisk. By `# Safety` nothing uses the first
    // two. The kernel reads the ramdisk at the address that `in_physical_memory` has returned. The page allocator never gets these
    // frames.
    unsafe { page_tables::unmap_part(BOOT_LOADER, BOOT_LOADER_LAST) };
}

/// Returns the bytes at an address of the boot loader's part by their address in physical memory, where they stay mapped. `None`
/// means that they are not contiguous there.
///
/// # Safety
/// The boot loader has put the bytes there, and nothing writes them, now or later.
pub unsafe fn in_physical_memory(start: VirtAddr, length: u64) -> Option<&'static [u8]> {
    let physical = page_tables::translate(start)?;
    let is_contiguous = (0..length).step_by(FRAME_SIZE as usize).all(|offset| {
        page_tables::translate(VirtAddr(start.0 + offset)) == Some(PhysAddr(physical.0 + offset))
    });
    // SAFETY: the lines above have found the bytes contiguous. The boot loader's frames are RAM, which `physical_memory` maps in
    // the boot loader's tables and in the kernel's. By `# Safety` nothing writes them.
    is_contiguous
        .then(|| unsafe { core::slice::from_raw_parts(arch::physical_memory(physical), length as usize) })
}

/// Maps RAM. The frames of the kernel's ELF file hold the kernel's code and constants, so they are read-only here. All others are
/// read and written. Memory that is not RAM stays unmapped, because devices must not be reached through the cache.
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
        map_ram(space, before, PageKind::Data)?;
        map_ram(space, frames.intersection(file), PageKind::Constant)?;
        map_ram(space, after, PageKind::Data)?;
    }
    Ok(())
}

fn map_ram(space: &mut NewAddressSpace, frames: FrameRange, kind: PageKind) -> Result<(), MapError> {
    let start = VirtAddr(PHYSICAL_MEMORY.0 + frames.start.address().0);
    let node = numa_topology::get().node_of_address(frames.start.address()).unwrap_or(NodeId::ZERO);
    // SAFETY: code reaches a frame through this map only if the page allocator has granted it the frame, or if boot reserved the
    // frame. Only the kernel's file has other mappings (`map_kernel`), and this one only allows reading it. `table_frame` allocates
    // its frames, and nothing frees them.
    unsafe { space.map(start, frames, kind, &mut || table_frame(node)) }
}

/// Maps the kernel's image at the addresses it is linked to, to the frames that the boot loader has chosen.
fn map_kernel(space: &mut NewAddressSpace, kernel_file: PhysRange) -> Result<(), MapError> {
    let start = arch::physical_memory(kernel_file.start);
    // SAFETY: the boot loader has put the file there, in RAM, which its own page tables map at `physical_memory`. Nothing writes
    // the file's headers, and `image::parts` reads only those.
    let file = unsafe { core::slice::from_raw_parts(start, kernel_file.len_bytes() as usize) };
    for part in image::parts(file).expect("the kernel's ELF file is valid, as the boot loader has loaded it")
    {
        let kind = match part.rights {
            SegmentRights::Read => PageKind::Constant,
            SegmentRights::ReadWrite => PageKind::Data,
            SegmentRights::ReadExecute => PageKind::Code,
        };
        let mut pages = (0..part.pages)
            .map(|page| VirtAddr(part.start.0 + page * FRAME_SIZE))
            .map(|page| (page, page_tables::translate(page).expect("the boot loader has mapped the kernel")))
            .map(|(page, address)| (page, FrameNumber::containing(address)))
            .peekable();
        while let Some((start, frame)) = pages.next() {
            let mut frames = one(frame);
            while pages.next_if(|(_, next)| *next == frames.end).is_some() {
                frames.end.0 += 1;
            }
            // SAFETY: `kind` has the rights that the linker has given the segment. The frames hold the kernel's image, which only
            // the image's own code and data use. `table_frame` allocates its frames, and nothing frees them.
            unsafe { space.map(start, frames, kind, &mut || table_frame(NodeId::ZERO))? };
        }
    }
    Ok(())
}

fn map_local_apic(space: &mut NewAddressSpace) -> Result<(), MapError> {
    let frames = one(arch::apic_frame());
    // SAFETY: the frame holds the registers of the local APIC, which is not RAM. `arch` uses them through this page alone.
    // `table_frame` allocates its frames, and nothing frees them.
    unsafe { space.map(LOCAL_APIC, frames, PageKind::Device, &mut || table_frame(NodeId::ZERO)) }
}

fn table_frame(node: NodeId) -> Option<FrameNumber> {
    allocate::allocate_table_frame(node)
}

fn one(frame: FrameNumber) -> FrameRange {
    FrameRange::new(frame.0, frame.0 + 1)
}
