//! Addresses that are handed out in ranges of any size, come back, and are used again.
//!
//! Taking a range looks through the free ranges in ascending order and takes the first that is large enough. Their number is at most that of
//! the ranges that are taken, plus 1.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

#[cfg(test)]
extern crate std;

#[cfg(test)]
mod tests;

use alloc::vec::Vec;
use core::ops::Range;

/// The addresses of one part of the address space.
#[derive(Debug)]
pub struct AddressRanges {
    /// Ranges that came back, in ascending order. No two touch, and none ends at `next`.
    free: Vec<Range<u64>>,
    /// The first address that no taken and no free range has. All from here on are free, too.
    next: u64,
    end: u64,
}

impl AddressRanges {
    /// Returns the addresses from `start` on and below `end`, all of them free.
    #[must_use]
    pub const fn new(start: u64, end: u64) -> Self {
        Self { free: Vec::new(), next: start, end }
    }

    /// Takes so many addresses, at least 1, and returns the first. Returns `None` if no free range has as many.
    pub fn take(&mut self, bytes: u64) -> Option<u64> {
        if let Some(index) = self.free.iter().position(|range| range.end - range.start >= bytes) {
            let range = &mut self.free[index];
            let start = range.start;
            range.start += bytes;
            if range.is_empty() {
                self.free.remove(index);
            }
            return Some(start);
        }
        let start = self.next;
        self.next = start.checked_add(bytes).filter(|next| *next <= self.end)?;
        Some(start)
    }

    /// Takes a range back that [`AddressRanges::take`] has given. Returns false if there is no memory to note it: it is not used again.
    pub fn give_back(&mut self, range: Range<u64>) -> bool {
        if range.end == self.next {
            self.next = range.start;
            if let Some(last) = self.free.pop_if(|last| last.end == range.start) {
                self.next = last.start;
            }
            return true;
        }
        let index = self.free.partition_point(|free| free.start < range.start);
        let touches_before = index > 0 && self.free[index - 1].end == range.start;
        let touches_behind = self.free.get(index).is_some_and(|free| free.start == range.end);
        match (touches_before, touches_behind) {
            (true, true) => self.free[index - 1].end = self.free.remove(index).end,
            (true, false) => self.free[index - 1].end = range.end,
            (false, true) => self.free[index].start = range.start,
            (false, false) => {
                if self.free.try_reserve(1).is_err() {
                    return false;
                }
                self.free.insert(index, range);
            }
        }
        true
    }
}
