//! Makes a driver's memory accessible to a device: which memory that may be, and its parts as the device sees them.
use super::dma::DeviceAddress;
use crate::arch::{InterruptsOff, Mapping};
use crate::cpu;
use crate::memory::page_tables;
use crate::threads::owner::Owner;
use ::address_space::layout::{
    DRIVERS, HEAP_METADATA, HEAPS, PER_CPU, PER_CPU_END, PHYSICAL_MEMORY, PHYSICAL_MEMORY_END, STACKS,
};
use units::{FRAME_SIZE, VirtAddr};

/// The most bytes of a region.
const MOST_BYTES: u64 = 1 << 30;
/// The most bytes of a region where interrupts or preemption are off: each page takes time.
const MOST_BYTES_AT_ONCE: u64 = abi::KERNEL_DMA_HANDLER_BYTES as u64;

/// A contiguous part of memory, as a device sees it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DmaPart {
    /// The first byte.
    pub address: DeviceAddress,
    /// Bytes.
    pub bytes: u64,
}

/// Memory of a driver that a device is to access.
#[derive(Clone, Copy)]
pub struct DmaRegion {
    start: u64,
    end: u64,
    is_written: bool,
}

impl DmaRegion {
    /// Returns the region, or `None` if it is empty or longer than it may be here, or if it does not lie in one of the parts of the address space
    /// where drivers have memory: the driver's own image, the heaps, the stacks, memory of each CPU, and the map of physical memory. `is_written` says whether the device writes.
    #[inline]
    pub fn of(owner: &'static Owner, start: VirtAddr, bytes: u64, is_written: bool) -> Option<Self> {
        let start = start.0;
        let is_at_once = InterruptsOff::are_off() || cpu::is_preemption_off();
        let most = if is_at_once { MOST_BYTES_AT_ONCE } else { MOST_BYTES };
        let end = start.checked_add(bytes).filter(|_| (1..=most).contains(&bytes))?;
        let is_in = |first: VirtAddr, behind: VirtAddr| first.0 <= start && end <= behind.0;
        let image = owner.image();
        (is_in(PHYSICAL_MEMORY, PHYSICAL_MEMORY_END)
            || is_in(HEAPS, HEAP_METADATA)
            || is_in(PER_CPU, PER_CPU_END)
            || is_in(STACKS.base, DRIVERS)
            || image.start <= start && end <= image.end)
            .then_some(Self { start, end, is_written })
    }

    /// Iterates over the parts. An element is `None` where memory is not mapped, or is read-only and would be written.
    #[inline]
    pub fn parts(self) -> DmaParts {
        DmaParts { region: self, next: self.start }
    }
}

/// The parts of a region: neighbouring pages are joined.
pub struct DmaParts {
    region: DmaRegion,
    next: u64,
}

impl Iterator for DmaParts {
    type Item = Option<DmaPart>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let start = self.next;
        if start >= self.region.end {
            return None;
        }
        let Some(first) = self.page(start) else { return Some(None) };
        while self.next < self.region.end {
            let joined = first.wrapping_add(self.next - start);
            let page = self.next;
            match self.page(page) {
                None => return Some(None),
                Some(address) if address == joined => {}
                Some(_) => {
                    self.next = page;
                    break;
                }
            }
        }
        Some(Some(DmaPart { address: DeviceAddress(first), bytes: self.next - start }))
    }
}

impl DmaParts {
    /// Returns the device address of `address`, and goes on behind its page. Without one, the region ends.
    #[inline]
    fn page(&mut self, address: u64) -> Option<u64> {
        let allowed = |mapping: &Mapping| !self.region.is_written || mapping.writable;
        let Some(mapping) = page_tables::access_at(VirtAddr(address)).filter(allowed) else {
            self.next = self.region.end;
            return None;
        };
        self.next = (address - address % FRAME_SIZE).saturating_add(FRAME_SIZE).min(self.region.end);
        Some(DeviceAddress::of(mapping.address).0)
    }
}
