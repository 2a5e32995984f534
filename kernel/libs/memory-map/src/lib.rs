//! The boot loader's memory regions as the two lists that a kernel needs: what is RAM, and what of it is free.
//!
//! Regions may come in any order, touch, and overlap, and there may be hundreds of them.
#![no_std]
#![forbid(unsafe_code)]

use arrayvec::ArrayVec;
use units::PhysRange;

/// The most ranges that a list keeps. A machine has some dozens after merging; what goes beyond is counted, and not used.
pub const MAX_RANGES: usize = 512;

/// Ranges of memory: ascending, disjoint, none touching the next.
pub type Ranges = ArrayVec<PhysRange, MAX_RANGES>;

/// Who a region belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Owner {
    /// Nobody: RAM that is free.
    Nobody,
    /// The kernel: RAM that the boot loader took for the kernel's image, page tables, boot data and ramdisk.
    Kernel,
    /// Firmware, a device, or whoever the kernel does not know.
    Firmware,
}

/// What there is of memory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MemoryMap {
    /// The RAM that is not firmware's.
    pub ram: Ranges,
    /// What of it is free.
    pub free: Ranges,
    /// Everything that some region covers, firmware's and devices' included.
    pub known: Ranges,
    /// Bytes that are not used because there were more than [`MAX_RANGES`] separate ranges.
    pub lost_bytes: u64,
    /// Whether a region that somebody owns overlapped a free one. The owner is believed.
    pub overlaps: bool,
}

impl MemoryMap {
    /// Sorts `regions` in place by their start, and merges them. `describe` says what a region is.
    ///
    /// Takes O(n log n) for n regions, and for each overlap up to [`MAX_RANGES`] steps.
    pub fn new<T>(regions: &mut [T], describe: impl Fn(&T) -> (PhysRange, Owner)) -> Self {
        regions.sort_unstable_by_key(|region| describe(region).0.start);
        let sorted = || regions.iter().map(&describe).filter(|(range, _)| !range.is_empty());
        let mut lost_bytes = 0;
        let mut ram = merge(sorted().filter(|(_, owner)| *owner != Owner::Firmware), &mut lost_bytes);
        let mut free = merge(sorted().filter(|(_, owner)| *owner == Owner::Nobody), &mut 0);
        let mut overlaps = false;
        for (range, owner) in sorted().filter(|(_, owner)| *owner != Owner::Nobody) {
            overlaps |= take_out(&mut free, range, &mut lost_bytes);
            if owner == Owner::Firmware {
                overlaps |= take_out(&mut ram, range, &mut lost_bytes);
            }
        }
        Self { ram, free, known: merge(sorted(), &mut 0), lost_bytes, overlaps }
    }
}

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

/// Takes `owned` out of the ranges; returns whether anything of it was in them.
fn take_out(ranges: &mut Ranges, owned: PhysRange, lost_bytes: &mut u64) -> bool {
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
