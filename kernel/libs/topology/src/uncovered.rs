//! Assigns RAM that no range covers to a node, so that every frame has a node.
//!
//! The RAM goes to the node of the range before it, because firmware that omits memory usually makes a range too short.
//! RAM before the first range goes to that range's node. If there is no range, node 0 gets all RAM.
use acpi_tables::{Finding, Findings, MemoryFault, Signature};
use arrayvec::ArrayVec;
use units::{NodeId, PhysRange};

use crate::{MAX_RANGES, MemoryRange};

/// Adds ranges for all of `ram` that no range covers. The result ascends and has no overlaps, as the input does.
pub fn cover(ranges: &mut ArrayVec<MemoryRange, MAX_RANGES>, ram: &[PhysRange], findings: &mut dyn Findings) {
    let before = ranges.len();
    let mut gap = Gap::before_range(0, ranges);
    for piece in ram {
        let mut rest = *piece;
        while !rest.is_empty() {
            let mut next = gap.next;
            while ranges[next..before].first().is_some_and(|range| range.range.end <= rest.start) {
                next += 1;
            }
            if next != gap.next {
                gap.report(findings);
                gap = Gap::before_range(next, &ranges[..before]);
            }
            match ranges[next..before].first().map(|range| range.range) {
                Some(range) if range.start <= rest.start => rest.start = range.end,
                Some(range) if range.start < rest.end => {
                    gap.take(PhysRange { end: range.start, ..rest }, ranges);
                    rest.start = range.start;
                }
                _ => {
                    gap.take(rest, ranges);
                    rest.start = rest.end;
                }
            }
        }
    }
    gap.report(findings);
    if ranges.len() > before {
        ranges.sort_unstable_by_key(|range| range.range.start);
    }
}

/// The addresses between two ranges, and the RAM in them.
struct Gap {
    /// The index of the range after the gap.
    next: usize,
    /// The node that gets the RAM.
    node: NodeId,
    /// The index of the range of `node` that is nearest and that grows first.
    nearest: Option<usize>,
    /// The addresses from the first RAM in the gap to the last.
    hull: Option<PhysRange>,
    ram_bytes: u64,
}

impl Gap {
    fn before_range(next: usize, ranges: &[MemoryRange]) -> Self {
        let index = next.saturating_sub(1);
        let owner = ranges.get(index);
        Self {
            next,
            node: owner.map_or(NodeId::ZERO, |range| range.node),
            nearest: owner.map(|_| index),
            hull: None,
            ram_bytes: 0,
        }
    }

    /// Assigns RAM in the gap to the node.
    ///
    /// The nearest range grows if it is adjacent. Otherwise there is a new range. If there is no room for one, the nearest
    /// range grows over the addresses in between, which belong to no node.
    fn take(&mut self, ram: PhysRange, ranges: &mut ArrayVec<MemoryRange, MAX_RANGES>) {
        self.hull = Some(self.hull.map_or(ram, |hull| hull_of(hull, ram)));
        self.ram_bytes += ram.len_bytes();
        let is_full = ranges.is_full();
        if let Some(range) = self.nearest.and_then(|index| ranges.get_mut(index))
            && (is_full || !range.hot_pluggable && range.range.end == ram.start)
        {
            range.range = hull_of(range.range, ram);
        } else {
            self.nearest = Some(ranges.len());
            // Cannot fail: if the array is full, it has a nearest range.
            let _ = ranges.try_push(MemoryRange { range: ram, node: self.node, hot_pluggable: false });
        }
    }

    fn report(&self, findings: &mut dyn Findings) {
        if let Some(range) = self.hull {
            let fault = MemoryFault::Uncovered { range, ram: self.ram_bytes, node: self.node };
            findings.report(Finding::new(Signature::SRAT, 0, fault));
        }
    }
}

/// Returns the smallest range that contains both ranges.
pub fn hull_of(one: PhysRange, other: PhysRange) -> PhysRange {
    PhysRange { start: one.start.min(other.start), end: one.end.max(other.end) }
}
