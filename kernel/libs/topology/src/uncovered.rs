//! Gives RAM that no range covers to a node, so that no frame is without one.
//!
//! It goes to the node of the range before it, since firmware that leaves out memory mostly cuts a range short; before
//! the first range, to that one's node; without any range, to node 0.
use acpi_tables::{Finding, Findings, Signature, What};
use arrayvec::ArrayVec;
use units::{NodeId, PhysRange};

use crate::{MAX_RANGES, MemoryRange};

/// Adds ranges, ascending and apart as those there, for all of `ram` that has none.
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

/// The addresses between two ranges, and the RAM found there.
struct Gap {
    /// The index of the range behind it.
    next: usize,
    /// Whose RAM here is.
    node: NodeId,
    /// The range of `node` that is nearest and so grows first.
    nearest: Option<usize>,
    /// From the first RAM here to the last.
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

    /// Makes RAM in the gap the node's: the nearest range grows if it touches, else there is one range more. With no room
    /// for that the nearest grows over what lies between, where nobody has anything.
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
            // There is room: a full array has a nearest range.
            let _ = ranges.try_push(MemoryRange { range: ram, node: self.node, hot_pluggable: false });
        }
    }

    fn report(&self, findings: &mut dyn Findings) {
        if let Some(range) = self.hull {
            let what = What::MemoryUncovered { range, ram: self.ram_bytes, node: self.node };
            findings.report(Finding::new(Signature::SRAT, 0, what));
        }
    }
}

/// The smallest range that holds both.
pub fn hull_of(one: PhysRange, other: PhysRange) -> PhysRange {
    PhysRange { start: one.start.min(other.start), end: one.end.max(other.end) }
}
