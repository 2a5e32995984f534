//! Maps the registers of devices: those that the kernel uses, for good, and those that drivers use, until they are unmapped.
use super::page_tables;
use crate::arch::{self, PageKind};
use crate::sync::{Rank, SpinLock};
use ::address_space::PageSize;
use ::address_space::layout::{
    DEVICES_END, DRIVER_DEVICES, OTHER_DEVICES, PHYSICAL_MEMORY, PHYSICAL_MEMORY_END,
};
use arrayvec::ArrayVec;
use core::sync::atomic::{AtomicU64, Ordering};
use units::{FRAME_SIZE, FrameRange, NodeId, PhysAddr, PhysRange, VirtAddr};

/// The first free address.
static NEXT: AtomicU64 = AtomicU64::new(OTHER_DEVICES.0);

/// The most ranges of the kernel's registers that are kept from drivers. Boot maps fewer: ECAM, the I/O APICs, the HPET.
const MOST_RANGES: usize = 128;

/// The frames with registers that the kernel has mapped for itself.
static KERNELS: SpinLock<ArrayVec<FrameRange, MOST_RANGES>> =
    SpinLock::new(Rank::DeviceRanges, ArrayVec::new_const());

/// Maps registers, never cached, and returns the address of the first one. They stay mapped. Returns `None` if RAM lies there, if
/// there is no such address, or if there is no memory for page tables.
pub fn map_device(registers: PhysRange) -> Option<VirtAddr> {
    let frames = registers.touched_frames();
    if registers.is_empty() || registers.end.0 > 1 << arch::physical_address_bits() || has_ram(frames) {
        return None;
    }
    let start = take_addresses(frames)?;
    // SAFETY: by the check above the frames are not RAM, so the kernel does not use them otherwise. `take_addresses` returns each page
    // once.
    unsafe { page_tables::map_device_for_good(start, frames, PageKind::Device, NodeId::ZERO) }.ok()?;
    // The list is long enough for what boot maps. Later ranges, of devices that drivers own, need not be in it.
    let _ = KERNELS.lock().try_push(frames);
    Some(VirtAddr(start.0 + registers.start.0 % FRAME_SIZE))
}

/// Maps the screen's memory, `length` bytes at an address of the boot loader's, for good and so that writes are combined. Returns the
/// address of the first byte, or `None` as [`map_device`] does. Drivers may map the same memory.
pub fn map_screen(start: VirtAddr, length: u64) -> Option<VirtAddr> {
    let last = VirtAddr(start.0.checked_add(length.checked_sub(1)?)?);
    let (first, end) = (page_tables::translate(start)?, page_tables::translate(last)?.0 + 1);
    // The boot loader maps it in one piece.
    if end.checked_sub(first.0) != Some(length) || end > 1 << arch::physical_address_bits() {
        return None;
    }
    let frames = PhysRange::new(first.0, end).touched_frames();
    if has_ram(frames) {
        return None;
    }
    let start = take_addresses(frames)?;
    // SAFETY: by the check above the frames are not RAM, so the kernel does not use them otherwise: the boot loader's mapping of them is
    // not used after this. `take_addresses` returns each page once.
    unsafe { page_tables::map_device_for_good(start, frames, PageKind::WriteCombined, NodeId::ZERO) }.ok()?;
    Some(VirtAddr(start.0 + first.0 % FRAME_SIZE))
}

/// Takes addresses for these frames. Those of 2 MiB or more can be mapped with large pages.
fn take_addresses(frames: FrameRange) -> Option<VirtAddr> {
    let large = PageSize::Large.frames() * FRAME_SIZE;
    let bytes = frames.len_frames() * FRAME_SIZE;
    let start_in = |next: u64| match bytes {
        bytes if bytes < large => next,
        _ => next.next_multiple_of(large) + frames.start.address().0 % large,
    };
    let end_of = |next| start_in(next).checked_add(bytes).filter(|end| *end <= DRIVER_DEVICES.0);
    let next = NEXT.try_update(Ordering::Relaxed, Ordering::Relaxed, end_of).ok()?;
    Some(VirtAddr(start_in(next)))
}

/// Returns true if a driver may map the frames: they are addresses of the CPU, no RAM, and no registers of the kernel.
pub fn is_for_drivers(frames: FrameRange) -> bool {
    let overlaps = |range: &FrameRange| !range.intersection(frames).is_empty();
    let apic = arch::apic_frame();
    frames.end.address().0 <= 1 << arch::physical_address_bits()
        && !has_ram(frames)
        && !overlaps(&FrameRange::new(apic.0, apic.0 + 1))
        && !KERNELS.lock().iter().any(overlaps)
}

/// Returns true if no frame is RAM.
pub fn is_no_ram(frames: FrameRange) -> bool {
    !has_ram(frames)
}

/// The first address that no driver's mapping has had.
static NEXT_FOR_DRIVERS: AtomicU64 = AtomicU64::new(DRIVER_DEVICES.0);

/// Takes addresses for `pages` pages, which nobody has had before. Returns `None` if there are no more.
pub fn take_driver_addresses(pages: u64) -> Option<VirtAddr> {
    let end_of = |next: u64| {
        let bytes = pages.checked_mul(FRAME_SIZE)?;
        next.checked_add(bytes).filter(|end| *end <= DEVICES_END.0)
    };
    NEXT_FOR_DRIVERS.try_update(Ordering::Relaxed, Ordering::Relaxed, end_of).ok().map(VirtAddr)
}

/// Maps the frames of a device from `start` on. Missing page tables come from `node`, or else from the nearest node. Returns false, with
/// nothing mapped, if there is no memory for them. Waits for the other CPUs then.
///
/// # Safety
/// - `kind` is one for devices, and [`is_for_drivers`] was true for the frames, or the driver may only read them.
/// - [`take_driver_addresses`] has returned the addresses, the caller alone uses them, and nothing is mapped there.
pub unsafe fn map_for_driver(start: VirtAddr, frames: FrameRange, kind: PageKind, node: NodeId) -> bool {
    // SAFETY: by `# Safety` the frames are no RAM, so nothing of the kernel is there, and the pages are the caller's.
    unsafe { page_tables::map(start, frames, kind, node) }.is_ok()
}

/// Returns true if some of the frames are RAM. The map of physical memory has exactly the frames that are; the nodes' ranges in
/// firmware's tables may also cover devices.
fn has_ram(frames: FrameRange) -> bool {
    let map =
        |address: PhysAddr| VirtAddr(PHYSICAL_MEMORY.0.saturating_add(address.0)).min(PHYSICAL_MEMORY_END);
    page_tables::is_any_mapped(map(frames.start.address()), map(frames.end.address()))
}
