//! Searching a run by walking the blocks in the order of their addresses, for requests that the lists cannot answer.
use core::ops::Range;

use crate::blocks::{BLOCK_ORDER, Block};
use crate::extent::Extent;
use crate::node_memory::NodeMemory;
use crate::request::Needs;

impl NodeMemory<'_> {
    /// Returns the lowest run in the extent that meets the needs.
    ///
    /// Takes a step for each free run of blocks and for each other block, up to the limit or the first fit. A split block takes a
    /// step for each of its runs of free frames.
    pub(crate) fn find_run(&self, extent: Extent, needs: &Needs) -> Option<u64> {
        let mut finder = RunFinder { needs, run: 0..0 };
        let mut number = extent.first;
        while number < extent.end && number << BLOCK_ORDER < needs.limit {
            let slot = extent.slot(number);
            let base = number << BLOCK_ORDER;
            match self.blocks.get(slot) {
                Block::Free { order, .. } => {
                    if let Some(found) = finder.add(base..base + (1 << order)) {
                        return Some(found);
                    }
                    number += 1 << (order - BLOCK_ORDER);
                    continue;
                }
                Block::Split { free: 1.., .. } => {
                    let mut runs = self.blocks.map(slot)?.free_runs();
                    let found = runs
                        .find_map(|run| finder.add(base + u64::from(run.start)..base + u64::from(run.end)));
                    if found.is_some() {
                        return found;
                    }
                }
                _ => {}
            }
            number += 1;
        }
        None
    }
}

/// Joins free runs that touch, and checks whether the joined run meets the needs.
struct RunFinder<'n> {
    needs: &'n Needs,
    run: Range<u64>,
}

impl RunFinder<'_> {
    /// Adds the next free run, in ascending order. Returns the first frame of a fit, once there is one.
    fn add(&mut self, free: Range<u64>) -> Option<u64> {
        if free.start != self.run.end {
            self.run.start = free.start;
        }
        self.run.end = free.end;
        let below = self.needs.alignment - 1;
        let first = self.run.start.checked_add(below)? & !below;
        let end = first.checked_add(self.needs.count)?;
        (end <= self.run.end.min(self.needs.limit)).then_some(first)
    }
}

#[cfg(test)]
mod tests {
    use units::NodeId;

    use super::*;
    use crate::request::Request;

    #[test]
    fn runs_that_touch_count_as_one_and_others_do_not() {
        let needs = Needs::of(&Request::new(10, NodeId::ZERO)).unwrap();
        let mut finder = RunFinder { needs: &needs, run: 0..0 };
        assert_eq!(finder.add(0..5), None);
        assert_eq!(finder.add(6..12), None);
        assert_eq!(finder.add(12..15), None);
        assert_eq!(finder.add(15..16), Some(6));
    }

    #[test]
    fn alignment_and_limit_cut_what_a_run_offers() {
        let request = Request {
            alignment: 8,
            highest: Some(units::PhysAddr(20 * 4096 - 1)),
            ..Request::new(5, NodeId::ZERO)
        };
        let needs = Needs::of(&request).unwrap();
        let fit = |run| RunFinder { needs: &needs, run: 0..0 }.add(run);
        assert_eq!(fit(1..12), None);
        assert_eq!(fit(1..13), Some(8));
        assert_eq!(fit(9..40), None);
    }
}
