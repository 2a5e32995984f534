//! The buddy system over whole blocks: free runs of 2^0 to 2^9 blocks, orders 9 to 18.
use core::ops::Range;

use crate::MAX_ORDER;
use crate::blocks::{BLOCK_ORDER, Block, BlockIndex};
use crate::extent::Extent;
use crate::node_memory::NodeMemory;

/// Returns the number of blocks in a run of this order, which is 9 or above.
pub const fn blocks_in(order: u8) -> u64 {
    1 << (order - BLOCK_ORDER)
}

impl NodeMemory<'_> {
    /// Makes blocks free, which are `Quiet` and in no free run.
    pub(crate) fn release_blocks(&mut self, extent: Extent, numbers: Range<u64>) {
        for (number, order) in aligned_runs(numbers) {
            self.release_run(extent, number, order);
        }
    }

    /// Makes one aligned run free and merges it with its free buddies.
    pub(crate) fn release_run(&mut self, extent: Extent, mut number: u64, mut order: u8) {
        while order < MAX_ORDER {
            let buddy = number ^ blocks_in(order);
            if !extent.contains(buddy) || !self.is_free_run(extent, buddy, order) {
                break;
            }
            self.remove_run(extent, buddy, order);
            number = number.min(buddy);
            order += 1;
        }
        self.insert_run(extent, number, order);
    }

    /// Takes the first 2^`wanted` frames of a free run. The rest of the run, no part of which has a free buddy, stays free.
    pub(crate) fn take_start_of_run(&mut self, run: Extent, order: u8, wanted: u8) {
        self.remove_run(run, run.first, order);
        for order in wanted..order {
            self.insert_run(run, run.first + blocks_in(order), order);
        }
    }

    /// Takes those of these blocks that are free out of their free runs. The other blocks of those runs stay free.
    pub(crate) fn withdraw_blocks(&mut self, extent: Extent, numbers: Range<u64>) {
        let mut number = numbers.start;
        while number < numbers.end {
            let Some((first, order)) = self.free_run_over(extent, number) else {
                number += 1;
                continue;
            };
            let end = first + blocks_in(order);
            self.remove_run(extent, first, order);
            // Halves of a run whose other half is being taken have no free buddy to merge with.
            for (number, order) in aligned_runs(first..number).chain(aligned_runs(numbers.end..end)) {
                self.insert_run(extent, number, order);
            }
            number = end;
        }
    }

    /// Returns the first block and the order of the free run that contains the block, if one does.
    pub(crate) fn free_run_over(&self, extent: Extent, number: u64) -> Option<(u64, u8)> {
        for order in BLOCK_ORDER..=MAX_ORDER {
            let first = number & !(blocks_in(order) - 1);
            if first < extent.first {
                return None;
            }
            match self.blocks.get(extent.slot(first)) {
                Block::Quiet => {}
                Block::Free { order: found, .. } if found >= order => return Some((first, found)),
                // A block with a descriptor of its own is in no larger free run, and neither are the blocks behind it up to here.
                _ => return None,
            }
        }
        None
    }

    fn is_free_run(&self, extent: Extent, number: u64, of_order: u8) -> bool {
        matches!(self.blocks.get(extent.slot(number)), Block::Free { order, .. } if order == of_order)
    }

    fn insert_run(&mut self, extent: Extent, number: u64, order: u8) {
        let slot = extent.slot(number);
        self.blocks.set_free(slot, number, order);
        self.lists.insert(&mut self.blocks, order, BlockIndex::new(slot));
    }

    fn remove_run(&mut self, extent: Extent, number: u64, order: u8) {
        let slot = extent.slot(number);
        self.lists.remove(&mut self.blocks, order, BlockIndex::new(slot));
        self.blocks.set_quiet(slot);
    }
}

/// Cuts blocks into the fewest runs that are powers of two, aligned to their size, and of an order that has a list.
fn aligned_runs(mut numbers: Range<u64>) -> impl Iterator<Item = (u64, u8)> {
    core::iter::from_fn(move || {
        let len = numbers.end.checked_sub(numbers.start)?.checked_ilog2()?;
        let blocks_log2 = len.min(numbers.start.trailing_zeros()).min((MAX_ORDER - BLOCK_ORDER).into());
        let first = numbers.start;
        numbers.start += 1 << blocks_log2;
        Some((first, BLOCK_ORDER + blocks_log2 as u8))
    })
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;

    #[test]
    fn runs_are_aligned_ascending_and_at_most_of_the_largest_order() {
        let runs: Vec<_> = aligned_runs(5..1538).collect();
        assert_eq!(
            runs,
            [
                (5, 9),
                (6, 10),
                (8, 12),
                (16, 13),
                (32, 14),
                (64, 15),
                (128, 16),
                (256, 17),
                (512, 18),
                (1024, 18),
                (1536, 10)
            ]
        );
        assert_eq!(aligned_runs(7..7).count(), 0);
    }
}
