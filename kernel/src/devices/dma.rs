//! Memory for DMA: granted to a driver for one of its devices, and taken back when the driver gives the device back.
//!
//! A device address is a physical address today. It has a type of its own, so that an IOMMU can change that.
use super::device_registry::{self, Device};
use crate::arch;
use crate::cpu::{self, PreemptionOff};
use crate::memory::allocate::{self, Zeroed};
use crate::memory::memory_context::MemoryContext;
use crate::memory::page_uses::PageUse;
use crate::memory::protection;
use crate::sync::{Rank, SpinLock};
use crate::threads::owner::Owner;
use alloc::vec::Vec;
use core::sync::atomic::Ordering;
use dma_grants::{DmaEntry, GrowingTable, Search};
use page_alloc::{Grant, Policy, Request};
use units::{FRAME_SIZE, FrameNumber, NodeId, PhysAddr};

/// An address by which a device accesses memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DeviceAddress(pub u64);

impl DeviceAddress {
    /// Returns the address by which a device accesses this memory.
    #[inline]
    pub const fn of(memory: PhysAddr) -> Self {
        Self(memory.0)
    }

    /// Returns the memory that a device accesses by this address.
    const fn memory(self) -> PhysAddr {
        PhysAddr(self.0)
    }
}

/// What a driver asks for.
#[derive(Clone, Copy)]
pub struct DmaNeeds<'p> {
    /// Bytes, at least 1.
    pub bytes: u64,
    /// The alignment in bytes: a power of two.
    pub alignment: u64,
    /// A power of two, at least `bytes`, that the memory crosses no multiple of.
    pub boundary: Option<u64>,
    /// The last byte allowed; `None` allows what the device reaches.
    pub highest: Option<DeviceAddress>,
    /// Where the memory comes from; `None` is the device's node, or else the nearest.
    pub policy: Option<Policy<'p>>,
    /// Whether the memory is zeroed.
    pub zeroed: Zeroed,
}

/// The last byte that a function without PCI Express reaches for certain.
const CONVENTIONAL_LIMIT: DeviceAddress = DeviceAddress((1 << 32) - 1);

/// The tables, each with the grants whose frames it is responsible for.
const SHARDS: usize = 32;

type Shard = SpinLock<GrowingTable<Vec<DmaEntry>>, PreemptionOff>;

static GRANTS: [Shard; SHARDS] =
    [const { SpinLock::new(Rank::DmaGrants, GrowingTable::without_places(Vec::new(), Vec::new())) }; SHARDS];

fn shard(frame: FrameNumber) -> &'static Shard {
    &GRANTS[frame.0 as usize % SHARDS]
}

/// Allocates contiguous memory for a device. Returns `None` if the driver does not own the device, or if there is no such memory.
pub fn allocate(owner: &'static Owner, device: &Device, needs: &DmaNeeds<'_>) -> Option<Grant> {
    if let Some(grant) = take_kept(owner, device, needs) {
        return Some(grant);
    }
    let grant = allocate_frames(device, needs)?;
    let entry = DmaEntry {
        frame: grant.frame.0,
        pages: grant.count as u32,
        device: device.slot() as u16,
        node: grant.node.index() as u16,
    };
    if !enter(owner, device, entry) {
        // The frames were just granted, so the free is not refused.
        let _ = allocate::free_for_kernel(PageUse::Dma, grant.frame, grant.count);
        return None;
    }
    Some(grant)
}

/// Takes a page that the driver has freed, if any page of the preferred node will do.
#[inline]
fn take_kept(owner: &'static Owner, device: &Device, needs: &DmaNeeds<'_>) -> Option<Grant> {
    let is_any_page = needs.bytes <= FRAME_SIZE && needs.alignment <= FRAME_SIZE;
    if !is_any_page || needs.highest.is_some() || needs.policy.is_some() {
        return None;
    }
    let node = device.node.map_or_else(|| cpu::current().node, |node| node.node);
    let clears = device.kept_pages.clears();
    let frame = FrameNumber(device.kept_pages.take(node.index() as u16)?);
    let is_still_granted = match needs.zeroed {
        Zeroed::Yes => zero_granted(owner, device, frame),
        // If the driver has the device now and no release has come since `clears`, the page has its entry. A release that begins afterwards
        // takes it back, as all that the driver has of the device.
        Zeroed::No => device.is_of(owner) && device.kept_pages.clears() == clears,
    };
    if !is_still_granted {
        return None;
    }
    Some(Grant { frame, count: 1, node, fell_back: false, cached: false })
}

/// Fills a page with zeros if it is granted for the device, which is this driver's. Returns false if it is not.
fn zero_granted(owner: &'static Owner, device: &Device, frame: FrameNumber) -> bool {
    // Under the lock the page keeps its entry: a release on another CPU may have freed it since it was taken, or does so afterwards.
    let grants = shard(frame).lock();
    let is_granted = grants.find(frame.0).is_some_and(|entry| usize::from(entry.device) == device.slot());
    if !is_granted || !device.is_of(owner) {
        return false;
    }
    let page = arch::physical_memory(frame.address());
    // SAFETY: the frame is granted for the device, which is this driver's, and stays so while the lock is held. It is RAM, which is mapped
    // there.
    unsafe { page.write_bytes(0, FRAME_SIZE as usize) };
    true
}

/// Keeps a freed page for the next request, if there is room and any request may have it. Returns false if it is to be freed.
#[inline]
fn keep(device: &Device, entry: &DmaEntry) -> bool {
    let is_reached =
        || device.function.express.is_some() || entry.frame < (CONVENTIONAL_LIMIT.0 + 1) / FRAME_SIZE;
    entry.pages == 1 && is_reached() && device.kept_pages.keep(entry.frame, entry.node)
}

fn allocate_frames(device: &Device, needs: &DmaNeeds<'_>) -> Option<Grant> {
    let count = needs.bytes.div_ceil(FRAME_SIZE);
    u32::try_from(count).ok()?;
    // A block that is aligned to its own size crosses no multiple of anything larger.
    let own_size = if needs.boundary.is_some() { needs.bytes.checked_next_power_of_two()? } else { 1 };
    let alignment = needs.alignment.max(own_size).max(FRAME_SIZE) / FRAME_SIZE;
    let limit = if device.function.express.is_some() { None } else { Some(CONVENTIONAL_LIMIT) };
    let highest = needs.highest.or(limit).map(DeviceAddress::memory);
    let preferred = device.node.map(|node| node.node);
    let mut request = Request { preferred, alignment, highest, ..Request::local(count) };
    let Some(policy) = needs.policy else {
        return allocate::allocate_kernel_owned(PageUse::Dma, &request, needs.zeroed);
    };
    let context = MemoryContext::current();
    let mut cursor = context.cursor();
    policy.apply(&mut request, &mut cursor);
    let grant = allocate::allocate_kernel_owned(PageUse::Dma, &request, needs.zeroed)?;
    context.set_cursor(cursor);
    Some(grant)
}

/// Enters a grant. Returns false if the driver does not own the device, or if there is no memory for the entry.
fn enter(owner: &'static Owner, device: &Device, entry: DmaEntry) -> bool {
    let shard = shard(FrameNumber(entry.frame));
    loop {
        let size = {
            let mut grants = shard.lock();
            // Under the lock: a release takes the device from the driver first, and then looks at each shard.
            if !device.is_of(owner) {
                return false;
            }
            if grants.has_room() {
                let is_entered = grants.insert(entry);
                if is_entered {
                    device.grants.fetch_add(1, Ordering::Relaxed);
                    device.granted_pages.fetch_add(entry.pages.into(), Ordering::Relaxed);
                }
                return is_entered;
            }
            grants.next_size()
        };
        if !grow(shard, size) {
            return false;
        }
    }
}

/// Gives a shard this many places, unless another thread has. The heap is not used under the lock.
#[cold]
fn grow(shard: &Shard, size: usize) -> bool {
    let mut places = Vec::new();
    if places.try_reserve_exact(size).is_err() {
        return false;
    }
    places.resize(size, DmaEntry::default());
    let mut grants = shard.lock();
    let old = if grants.next_size() == size { grants.grow(places) } else { places };
    drop(grants);
    drop(old);
    true
}

/// Frees memory by the device address of its first byte. Returns false, with nothing changed, if the driver has no such memory.
pub fn free(owner: &'static Owner, address: DeviceAddress) -> bool {
    let memory = address.memory();
    if !memory.0.is_multiple_of(FRAME_SIZE) {
        return false;
    }
    let frame = FrameNumber::containing(memory);
    let devices = device_registry::all();
    let mut grants = shard(frame).lock();
    let Some(entry) = grants.find(frame.0) else { return false };
    let Some(device) = devices.get(usize::from(entry.device)).filter(|device| device.is_of(owner)) else {
        return false;
    };
    if device.kept_pages.contains(entry.frame, entry.node) {
        return false;
    }
    // Under the lock: a release takes the device from the driver, then empties each shard, and then forgets what is kept.
    if keep(device, &entry) {
        return true;
    }
    grants.remove(frame.0);
    note_removed(device, &entry);
    drop(grants);
    free_entry(&entry)
}

/// Frees all memory of a device that accesses none any more, and whose driver allocates none meanwhile. Returns how many grants there were,
/// with those that were freed and kept.
pub fn free_all(device: &Device) -> usize {
    let mut count = 0;
    // A search may pass over a grant that others move meanwhile.
    while device.grants.load(Ordering::Relaxed) != 0 {
        count += GRANTS.iter().map(|shard| free_in(shard, device)).sum::<usize>();
    }
    device.kept_pages.clear();
    count
}

/// Frees the grants of a device that a search of the shard finds. Returns how many there were.
fn free_in(shard: &Shard, device: &Device) -> usize {
    let (mut count, mut from) = (0, 0);
    loop {
        let mut grants = shard.lock();
        match grants.remove_of(device.slot() as u16, &mut from) {
            Search::Removed(entry) => {
                note_removed(device, &entry);
                drop(grants);
                count += usize::from(free_entry(&entry));
            }
            Search::Further => {}
            Search::End => return count,
        }
    }
}

/// Counts a grant that has left its table, whose lock the caller holds.
fn note_removed(device: &Device, entry: &DmaEntry) {
    device.grants.fetch_sub(1, Ordering::Relaxed);
    device.granted_pages.fetch_sub(entry.pages.into(), Ordering::Relaxed);
}

/// Returns how many pages the driver has for the device, without those that it has freed and that are kept.
pub fn pages_of(device: &Device) -> u64 {
    let granted = device.granted_pages.load(Ordering::Relaxed);
    granted.saturating_sub(device.kept_pages.count() as u64)
}

/// Calls `each` with the node and the pages of each grant that the driver has, as [`pages_of`] counts them. Takes a step for each place of
/// the tables.
pub fn for_each_grant(owner: &'static Owner, each: &mut dyn FnMut(NodeId, u64)) {
    let devices = device_registry::all();
    let is_its = |entry: &DmaEntry| {
        devices
            .get(usize::from(entry.device))
            .is_some_and(|device| device.is_of(owner) && !device.kept_pages.contains(entry.frame, entry.node))
    };
    for shard in &GRANTS {
        let mut next = Some(0);
        while let Some(from) = next {
            next = shard.lock().look_at_some(from, |entry| {
                if let Some(node) = NodeId::new(entry.node.into()).filter(|_| is_its(&entry)) {
                    each(node, entry.pages.into());
                }
            });
        }
    }
}

fn free_entry(entry: &DmaEntry) -> bool {
    if protection::is_on() {
        protection::take_frames(FrameNumber(entry.frame), entry.pages.into());
    }
    allocate::free_for_kernel(PageUse::Dma, FrameNumber(entry.frame), entry.pages.into()).is_ok()
}
