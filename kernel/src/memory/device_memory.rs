//! Maps the registers of devices.
use super::{allocate, page_tables};
use crate::arch::PageKind;
use crate::platform::numa_topology;
use ::address_space::layout::{DEVICES_END, OTHER_DEVICES};
use core::sync::atomic::{AtomicU64, Ordering};
use units::{FRAME_SIZE, NodeId, PhysAddr, PhysRange, VirtAddr};

/// The highest physical address that a page-table entry holds (Intel SDM vol. 3 §4.1.4).
const HIGHEST: PhysAddr = PhysAddr((1 << 52) - 1);

/// The first free address.
static NEXT: AtomicU64 = AtomicU64::new(OTHER_DEVICES.0);

/// Maps registers, never cached, and returns the address of the first one. They stay mapped. Returns `None` if RAM lies there, if
/// there is no such address, or if there is no memory for page tables.
pub fn map_device(registers: PhysRange) -> Option<VirtAddr> {
    let frames = registers.touched_frames();
    let is_ram = |frame| numa_topology::get().node_of_address(PhysAddr(frame * FRAME_SIZE)).is_some();
    if registers.is_empty() || registers.end > HIGHEST || (frames.start.0..frames.end.0).any(is_ram) {
        return None;
    }
    let bytes = frames.len_frames() * FRAME_SIZE;
    let start = VirtAddr(NEXT.fetch_add(bytes, Ordering::Relaxed));
    if start.0 + bytes > DEVICES_END.0 {
        return None;
    }
    let mut table_frame = || allocate::allocate_table_frame(NodeId::ZERO);
    // SAFETY: by the check above the frames are no RAM, so the kernel does not use them otherwise. `NEXT` returns each page
    // once. Table frames are never freed.
    unsafe { page_tables::map(start, frames, PageKind::Device, &mut table_frame) }.ok()?;
    Some(VirtAddr(start.0 + registers.start.0 % FRAME_SIZE))
}
