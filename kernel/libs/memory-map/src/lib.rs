//! Converts the boot loader's memory regions to the lists that a kernel needs: RAM, free RAM, and all known memory.
//!
//! There may be hundreds of regions, in any order, adjacent or overlapping.
#![no_std]
#![forbid(unsafe_code)]

use arrayvec::ArrayVec;
use units::{FrameNumber, PhysAddr, PhysRange};

/// The end of the memory that the kernel leaves alone, but for one frame: 1 MiB.
pub const LOW_END: PhysAddr = PhysAddr(0x10_0000);
/// Where code in real mode may lie: between the frame of firmware's real-mode data and the memory of video cards.
pub const REAL_MODE: PhysRange = PhysRange { start: PhysAddr(0x1000), end: PhysAddr(0xa_0000) };

/// The highest number of ranges in a list. A machine has some dozens after merging. Further ranges are not used, and
/// their bytes are counted.
pub const MAX_RANGES: usize = 512;

/// Ranges of memory in ascending order. They are disjoint and not adjacent.
pub type Ranges = ArrayVec<PhysRange, MAX_RANGES>;

/// The owner of a region.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Owner {
    /// No owner: the RAM is free.
    Nobody,
    /// The kernel: the boot loader uses the RAM for the kernel's image, page tables, boot data and ramdisk.
    Kernel,
    /// Firmware, a device, or an unknown owner.
    Firmware,
}

/// The machine's memory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MemoryMap {
    /// The RAM that does not belong to firmware.
    pub ram: Ranges,
    /// The free part of the RAM, without what lies below [`LOW_END`]. Firmware and devices of old PCs write there, whatever the
    /// map says.
    pub free: Ranges,
    /// The first free frame of [`REAL_MODE`], for code that runs in real mode.
    pub real_mode_frame: Option<FrameNumber>,
    /// All memory that any region covers, including memory of firmware and devices.
    pub known: Ranges,
    /// Bytes of RAM that are not used because they lie at or above the limit.
    pub bytes_above: u64,
    /// Bytes that are not used because a list has more than [`MAX_RANGES`] ranges.
    pub lost_bytes: u64,
    /// True if a region with an owner overlaps a free one. The owner keeps the overlap.
    pub overlaps: bool,
}

impl MemoryMap {
    /// Sorts `regions` in place by their start and merges them. `describe` returns a region's range and owner. What lies at or
    /// above `limit` is left out of all lists.
    ///
    /// Takes O(n log n) steps for n regions, and up to [`MAX_RANGES`] steps for each overlap.
    pub fn new<T>(regions: &mut [T], limit: PhysAddr, describe: impl Fn(&T) -> (PhysRange, Owner)) -> Self {
        regions.sort_unstable_by_key(|region| describe(region).0.start);
        let described = || regions.iter().map(&describe).filter(|(range, _)| !range.is_empty());
        let below = |(range, owner): (PhysRange, Owner)| (range.intersection(all_below(limit)), owner);
        let sorted = || described().map(below).filter(|(range, _)| !range.is_empty());
        let ram = described().filter(|(_, owner)| *owner != Owner::Firmware);
        let above =
            ram.map(|(range, _)| range.len_bytes() - range.intersection(all_below(limit)).len_bytes());
        // Regions may overlap, so the sum may be more than there are addresses.
        let bytes_above = above.fold(0, u64::saturating_add);
        let mut lost_bytes = 0;
        let mut ram = merge(sorted().filter(|(_, owner)| *owner != Owner::Firmware), &mut lost_bytes);
        let mut free = merge(sorted().filter(|(_, owner)| *owner == Owner::Nobody), &mut 0);
        let mut overlaps = false;
        for (range, owner) in sorted().filter(|(_, owner)| *owner != Owner::Nobody) {
            overlaps |= remove(&mut free, range, &mut lost_bytes);
            if owner == Owner::Firmware {
                overlaps |= remove(&mut ram, range, &mut lost_bytes);
            }
        }
        let real_mode_frame = first_frame(&free, REAL_MODE);
        // What remains of a range takes its place in the list, so nothing is lost.
        remove(&mut free, all_below(LOW_END), &mut 0);
        Self { ram, free, real_mode_frame, known: merge(sorted(), &mut 0), bytes_above, lost_bytes, overlaps }
    }
}

/// Returns all addresses below this one.
fn all_below(limit: PhysAddr) -> PhysRange {
    PhysRange { start: PhysAddr(0), end: limit }
}

/// Returns the first whole frame that lies in one of the ranges and in `within`.
fn first_frame(ranges: &Ranges, within: PhysRange) -> Option<FrameNumber> {
    let frames = ranges.iter().map(|range| range.intersection(within).whole_frames());
    frames.filter(|frames| !frames.is_empty()).map(|frames| frames.start).next()
}

/// Merges sorted ranges that overlap or are adjacent.
fn merge(sorted: impl Iterator<Item = (PhysRange, Owner)>, lost_bytes: &mut u64) -> Ranges {
    let mut ranges = Ranges::new();
    for (range, _) in sorted {
        match ranges.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => *lost_bytes += ranges.try_push(range).err().map_or(0, |_| range.len_bytes()),
        }
    }
    ranges
}

/// Removes `owned` from the ranges. Returns true if the ranges contained any part of it.
fn remove(ranges: &mut Ranges, owned: PhysRange, lost_bytes: &mut u64) -> bool {
    let mut found = false;
    let mut index = ranges.partition_point(|range| range.end <= owned.start);
    while let Some(&range) = ranges.get(index).filter(|range| !range.intersection(owned).is_empty()) {
        found = true;
        ranges.remove(index);
        let before = PhysRange { start: range.start, end: owned.start };
        let after = PhysRange { start: owned.end, end: range.end };
        for part in [before, after].into_iter().filter(|part| !part.is_empty()) {
            match ranges.try_insert(index, part) {
                Ok(()) => index += 1,
                Err(_) => *lost_bytes += part.len_bytes(),
            }
        }
    }
    found
}

#[cfg(test)]
mod tests;
