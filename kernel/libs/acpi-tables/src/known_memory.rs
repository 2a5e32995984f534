//! The memory in which firmware may have put tables, and that may be read.
use units::{PhysAddr, PhysRange};

/// A PC's firmware may keep tables here although its memory map does not list them.
const FIRST_MIB: PhysRange = PhysRange::new(0, 1 << 20);

/// All memory that a memory map lists, whatever its use, and the first MiB.
#[derive(Clone, Copy, Debug)]
pub struct KnownMemory<'a> {
    ranges: &'a [PhysRange],
}

impl<'a> KnownMemory<'a> {
    /// Creates the known memory from the ranges of a memory map, in any order.
    #[must_use]
    pub const fn new(ranges: &'a [PhysRange]) -> Self {
        Self { ranges }
    }

    /// Returns how many of `length` bytes at `address` may be read before the first gap.
    ///
    /// Nothing may be read at address 0, which stands for "no address" in a table.
    #[must_use]
    pub fn readable(self, address: PhysAddr, length: usize) -> usize {
        if address.0 == 0 {
            return 0;
        }
        let wanted_end = address.0.saturating_add(length as u64);
        let mut end = address.0;
        // A table may lie in adjacent ranges. Each pass either advances or ends the loop.
        while end < wanted_end {
            let mut ranges = self.ranges.iter().copied().chain([FIRST_MIB]);
            match ranges.find(|range| range.contains(PhysAddr(end))) {
                Some(range) => end = range.end.0.min(wanted_end),
                None => break,
            }
        }
        (end - address.0) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RANGES: [PhysRange; 3] = [
        PhysRange::new(0x40_0000, 0x50_0000),
        PhysRange::new(0x30_0000, 0x40_0000),
        PhysRange::new(u64::MAX - 15, u64::MAX),
    ];

    fn readable(address: u64, length: usize) -> usize {
        KnownMemory::new(&RANGES).readable(PhysAddr(address), length)
    }

    #[test]
    fn ranges_that_touch_are_read_across_and_gaps_are_not() {
        assert_eq!(readable(0x3f_fff0, 0x20), 0x20);
        assert_eq!(readable(0x4f_fff0, 0x20), 0x10);
        assert_eq!(readable(0x50_0000, 1), 0);
        assert_eq!(readable(0x2f_ffff, 2), 0);
    }

    #[test]
    fn the_first_mib_may_be_read_except_its_first_byte() {
        assert_eq!(readable(1, usize::MAX), 0xf_ffff);
        assert_eq!(readable(0, 1), 0);
    }

    #[test]
    fn the_end_of_the_address_space_ends_it() {
        assert_eq!(readable(u64::MAX - 7, usize::MAX), 7);
        assert_eq!(readable(u64::MAX, 1), 0);
    }
}
