//! Maps the registers of devices.
use super::page_tables;
use crate::arch::PageKind;
use ::address_space::layout::{DEVICES_END, OTHER_DEVICES, PHYSICAL_MEMORY, PHYSICAL_MEMORY_END};
use core::sync::atomic::{AtomicU64, Ordering};
use units::{FRAME_SIZE, FrameNumber, NodeId, PhysAddr, PhysRange, VirtAddr};

/// The highest physical address that a page-table entry holds (Intel SDM vol. 3 §4.1.4).
const HIGHEST: PhysAddr = PhysAddr((1 << 52) - 1);

/// The first free address.
static NEXT: AtomicU64 = AtomicU64::new(OTHER_DEVICES.0);

/// Maps registers, never cached, and returns the address of the first one. They stay mapped. Returns `None` if RAM lies there, if
/// there is no such address, or if there is no memory for page tables.
pub fn map_device(registers: PhysRange) -> Option<VirtAddr> {
    let frames = registers.touched_frames();
    let mut numbers = frames.start.0..frames.end.0;
    if registers.is_empty() || registers.end > HIGHEST || numbers.any(|frame| is_ram(FrameNumber(frame))) {
        return None;
    }
    let bytes = frames.len_frames() * FRAME_SIZE;
    let start = VirtAddr(NEXT.fetch_add(bytes, Ordering::Relaxed));
    if start.0 + bytes > DEVICES_END.0 {
        return None;
    }
    // SAFETY: by the check above the frames are not RAM, so the kernel does not use them otherwise. `NEXT` returns each page
    // once.
    unsafe { page_tables::map(start, frames, PageKind::Device, NodeId::ZERO) }.ok()?;
    Some(VirtAddr(start.0 + registers.start.0 % FRAME_SIZE))
}

/// Returns true if the frame is RAM. The map of physical memory has exactly the frames that are; the nodes' ranges in firmware's
/// tables may also cover devices.
fn is_ram(frame: FrameNumber) -> bool {
    let address = VirtAddr(PHYSICAL_MEMORY.0 + frame.address().0);
    address < PHYSICAL_MEMORY_END && page_tables::translate(address).is_some()
}
