//! The memory of devices that drivers have mapped.
use super::device_registry::{self, Device};
use crate::arch::PageKind;
use crate::memory::{device_memory, page_tables, protection};
use crate::threads::Mutex;
use crate::threads::owner::Owner;
use alloc::vec::Vec;
use pci::BarPart;
use units::{FRAME_SIZE, FrameNumber, FrameRange, NodeId, PhysAddr, VirtAddr};

/// How the CPU treats a device's memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DeviceCaching {
    /// Each access reaches the device.
    Uncached,
    /// Writes may be combined.
    WriteCombined,
}

/// A part of a device's memory that is mapped.
struct Mapped {
    /// The device's slot.
    slot: usize,
    /// The address that the driver knows.
    address: u64,
    frames: FrameRange,
    caching: DeviceCaching,
}

/// Addresses for 2^`order` pages, of which the last one is never mapped. They are used again and again.
struct AddressSlot {
    start: VirtAddr,
    order: u32,
    mapped: Option<Mapped>,
}

/// All addresses that drivers' mappings have or had.
static SLOTS: Mutex<Vec<AddressSlot>> = Mutex::new(Vec::new());

/// Maps a part of a device's memory, and returns the address of its first byte. Pages with the MSI-X table can only be read. Returns
/// `None` if the driver does not own the device, if RAM or registers of the kernel lie there, if a page is mapped with other caching, or
/// if there is not enough memory or address space.
pub fn map(
    device: &Device,
    owner: &'static Owner,
    part: &BarPart,
    caching: DeviceCaching,
) -> Option<VirtAddr> {
    let _changes = device.changes.lock();
    let frames = frames_of(part.pages.start, part.pages.end);
    let [before, table, behind] = part.runs().map(|run| frames_of(run.start, run.end));
    let is_allowed = [before, behind].into_iter().all(device_memory::is_for_drivers);
    if !device.is_of(owner) || !is_allowed || !device_memory::is_no_ram(table) {
        return None;
    }
    let mut slots = SLOTS.lock();
    let clashes =
        |mapped: &Mapped| mapped.caching != caching && !mapped.frames.intersection(frames).is_empty();
    if slots.iter().filter_map(|slot| slot.mapped.as_ref()).any(clashes) {
        return None;
    }
    let slot = free_slot(&mut slots, frames.len_frames())?;
    let node = device.node.map_or(NodeId::ZERO, |node| node.node);
    let kind = match caching {
        DeviceCaching::Uncached => PageKind::Device,
        DeviceCaching::WriteCombined => PageKind::WriteCombined,
    };
    for (run, kind) in [(before, kind), (table, PageKind::DeviceConstant), (behind, kind)] {
        let start = VirtAddr(slot.start.0 + (run.start.0 - frames.start.0) * FRAME_SIZE);
        // SAFETY: the checks above are those for the frames. The slot is free, so its addresses are this thread's, and unmapped.
        if !unsafe { device_memory::map_for_driver(start, run, kind, node) } {
            // SAFETY: no other code knows these pages yet.
            unsafe { page_tables::unmap(slot.start, frames.len_frames()) };
            return None;
        }
    }
    if protection::is_on() {
        protection::set_key(slot.start, frames.len_frames(), owner.protection_key());
    }
    let address = slot.start.0 + part.bytes.start % FRAME_SIZE;
    slot.mapped = Some(Mapped { slot: device.slot(), address, frames, caching });
    Some(VirtAddr(address))
}

/// Unmaps what one call of [`map`] has mapped for a device of this driver. Returns false, and changes nothing, if there is no such mapping.
/// On return, no CPU reaches the device there.
pub fn unmap(owner: &'static Owner, address: VirtAddr) -> bool {
    let mut slots = SLOTS.lock();
    let is_it =
        |mapped: &Mapped| mapped.address == address.0 && device_registry::all()[mapped.slot].is_of(owner);
    match slots.iter_mut().find(|slot| slot.mapped.as_ref().is_some_and(is_it)) {
        Some(slot) => {
            slot.empty();
            true
        }
        None => false,
    }
}

/// Unmaps all that is mapped of the device, and returns how many mappings there were. Its owner uses none of them any more.
pub fn unmap_all(device: &Device) -> usize {
    let mut slots = SLOTS.lock();
    let is_of_device =
        |slot: &&mut AddressSlot| slot.mapped.as_ref().is_some_and(|mapped| mapped.slot == device.slot());
    slots.iter_mut().filter(is_of_device).map(AddressSlot::empty).count()
}

/// Returns how many parts of the device's memory are mapped.
pub fn count(device: &Device) -> usize {
    let slots = SLOTS.lock();
    slots.iter().filter_map(|slot| slot.mapped.as_ref()).filter(|mapped| mapped.slot == device.slot()).count()
}

impl AddressSlot {
    fn empty(&mut self) {
        if let Some(mapped) = self.mapped.take() {
            // SAFETY: the mapping's driver has given it back, or is gone.
            unsafe { page_tables::unmap(self.start, mapped.frames.len_frames()) };
        }
    }
}

/// Returns a slot for so many pages, with nothing mapped.
fn free_slot(slots: &mut Vec<AddressSlot>, pages: u64) -> Option<&mut AddressSlot> {
    // One more page stays unmapped behind the others.
    let order = pages.checked_add(1)?.checked_next_power_of_two()?.trailing_zeros();
    let is_free = |slot: &AddressSlot| slot.order == order && slot.mapped.is_none();
    if let Some(index) = slots.iter().position(is_free) {
        return slots.get_mut(index);
    }
    slots.try_reserve(1).ok()?;
    let start = device_memory::take_driver_addresses(1 << order)?;
    slots.push(AddressSlot { start, order, mapped: None });
    slots.last_mut()
}

fn frames_of(start: u64, end: u64) -> FrameRange {
    FrameRange {
        start: FrameNumber::containing(PhysAddr(start)),
        end: FrameNumber::containing(PhysAddr(end)),
    }
}
