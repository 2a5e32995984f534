//! Maps the registers of devices.
use super::page_tables;
use crate::arch;
use ::address_space::PageSize;
use ::address_space::layout::{DEVICES_END, OTHER_DEVICES, PHYSICAL_MEMORY, PHYSICAL_MEMORY_END};
use core::sync::atomic::{AtomicU64, Ordering};
use units::{FRAME_SIZE, FrameRange, NodeId, PhysAddr, PhysRange, VirtAddr};

/// The first free address.
static NEXT: AtomicU64 = AtomicU64::new(OTHER_DEVICES.0);

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
    unsafe { page_tables::map_device_for_good(start, frames, NodeId::ZERO) }.ok()?;
    Some(VirtAddr(start.0 + registers.start.0 % FRAME_SIZE))
}

/// Takes addresses for these frames. Those of 2 MiB or more can be mapped with large pages.
fn take_addresses(frames: FrameRange) -> Option<VirtAddr> {
    let large = PageSize::Large.frames() * FRAME_SIZE;
    let bytes = frames.len_frames() * FRAME_SIZE;
    let start_in = |next: u64| match bytes {
        bytes if bytes < large => next,
        _ => next.next_multiple_of(large) + frames.start.address().0 % large,
    };
    let end_of = |next| start_in(next).checked_add(bytes).filter(|end| *end <= DEVICES_END.0);
    let next = NEXT.try_update(Ordering::Relaxed, Ordering::Relaxed, end_of).ok()?;
    Some(VirtAddr(start_in(next)))
}

/// Returns true if some of the frames are RAM. The map of physical memory has exactly the frames that are; the nodes' ranges in
/// firmware's tables may also cover devices.
fn has_ram(frames: FrameRange) -> bool {
    let map =
        |address: PhysAddr| VirtAddr(PHYSICAL_MEMORY.0.saturating_add(address.0)).min(PHYSICAL_MEMORY_END);
    page_tables::is_any_mapped(map(frames.start.address()), map(frames.end.address()))
}
