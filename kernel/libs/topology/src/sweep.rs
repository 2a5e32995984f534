//! Resolves overlaps of affinity ranges in one sweep over the addresses.
//!
//! Of the affinity ranges that cover an address, plain ranges have precedence over windows, which may contain no RAM. Of
//! several plain ranges or several windows, the greatest one gets the address, by the order of [`AffinityRange`]. Therefore
//! a range extends to the start of the next one, and a range inside another stays whole.
use acpi_tables::{Fault, Finding, Findings, LimitFault, MemoryFault, Signature};
use arrayvec::ArrayVec;
use units::{PhysAddr, PhysRange};

use crate::affinity_ranges::{AffinityRange, pieces};
use crate::domains::Domains;
use crate::{MAX_RANGES, MemoryRange};

/// Converts affinity ranges in ascending order to memory ranges, which ascend and do not overlap.
///
/// The node of a memory range is the index of its domain. If there is a memory map, windows contribute only their RAM.
pub fn sweep(
    affinity_ranges: &[AffinityRange],
    domains: &Domains,
    ram: &[PhysRange],
    ranges: &mut ArrayVec<MemoryRange, MAX_RANGES>,
    findings: &mut dyn Findings,
) {
    let mut sweep = Sweep {
        domains,
        ram,
        ranges,
        findings,
        plain: ArrayVec::new(),
        windows: ArrayVec::new(),
        position: PhysAddr(0),
        last: None,
        contest: None,
    };
    for affinity in affinity_ranges {
        sweep.advance(affinity.range.start);
        sweep.open(affinity);
    }
    sweep.advance(PhysAddr(u64::MAX));
    sweep.report_contest();
}

/// Affinity ranges that have started and may still get addresses. Each one ends after those that follow it.
type Open<'a> = ArrayVec<&'a AffinityRange, MAX_RANGES>;

struct Sweep<'a, 'f> {
    domains: &'a Domains,
    ram: &'a [PhysRange],
    ranges: &'a mut ArrayVec<MemoryRange, MAX_RANGES>,
    findings: &'f mut dyn Findings,
    /// The open plain ranges. The last one gets the current address.
    plain: Open<'a>,
    /// The open windows. The last one gets the current address if no plain range is open.
    windows: Open<'a>,
    position: PhysAddr,
    /// The affinity range of the last memory range.
    last: Option<&'a AffinityRange>,
    /// The addresses that a plain range takes from a window, which are reported when the next ones are known.
    contest: Option<Contest<'a>>,
}

/// A part of a window that a plain range takes.
struct Contest<'a> {
    range: PhysRange,
    plain: &'a AffinityRange,
    window: &'a AffinityRange,
}

impl<'a> Sweep<'a, '_> {
    /// Assigns all addresses up to `limit`.
    fn advance(&mut self, limit: PhysAddr) {
        while self.position < limit {
            let owner = last_open(&mut self.plain, self.position);
            let window = last_open(&mut self.windows, self.position);
            let Some(affinity) = owner.or(window) else { break };
            let mut end = affinity.range.end.min(limit);
            if let (Some(plain), Some(window)) = (owner, window) {
                end = end.min(window.range.end);
                self.take_from_window(PhysRange { start: self.position, end }, plain, window);
            }
            self.assign(PhysRange { start: self.position, end }, affinity);
            self.position = end;
        }
        self.position = limit;
    }

    /// Notes that a plain range takes a part of a window.
    fn take_from_window(&mut self, range: PhysRange, plain: &'a AffinityRange, window: &'a AffinityRange) {
        match &mut self.contest {
            Some(contest)
                if contest.range.end == range.start
                    && core::ptr::eq(contest.plain, plain)
                    && core::ptr::eq(contest.window, window) =>
            {
                contest.range.end = range.end;
            }
            _ => {
                self.report_contest();
                self.contest = Some(Contest { range, plain, window });
            }
        }
    }

    fn report_contest(&mut self) {
        if let Some(Contest { range, plain, window }) = self.contest.take() {
            self.report_overlap(range, plain, window);
        }
    }

    /// Assigns a range of addresses to an affinity range.
    fn assign(&mut self, range: PhysRange, affinity: &'a AffinityRange) {
        if affinity.is_window() && !self.ram.is_empty() {
            pieces(self.ram, range).for_each(|piece| self.push(piece, affinity));
        } else {
            self.push(range, affinity);
        }
    }

    /// Appends a memory range. Extends the previous one instead if both have the same domain and one affinity range
    /// covers the border between them.
    fn push(&mut self, range: PhysRange, affinity: &'a AffinityRange) {
        if let (Some(before), Some(last)) = (self.ranges.last_mut(), self.last)
            && before.range.end == range.start
            && (last.domain, last.hot_pluggable) == (affinity.domain, affinity.hot_pluggable)
            && last.is_window() == affinity.is_window()
            && (last.range.end > range.start || affinity.range.start < range.start)
        {
            before.range.end = range.end;
            self.last = Some(affinity);
            return;
        }
        let Some(node) = self.domains.index(affinity.domain) else { return };
        if self.ranges.try_push(MemoryRange { range, node, hot_pluggable: affinity.hot_pluggable }).is_ok() {
            self.last = Some(affinity);
        } else {
            self.report(affinity, LimitFault::Ranges { range, limit: MAX_RANGES });
        }
    }

    /// Opens an affinity range and reports which addresses it takes from open ranges of its kind.
    ///
    /// An open one that does not end later gets no further addresses and is removed. So each affinity range is visited at
    /// most twice: here, and at its end.
    fn open(&mut self, affinity: &'a AffinityRange) {
        let PhysRange { mut start, end } = affinity.range;
        while start < end
            && let Some(below) = last_open(self.open_like(affinity), start)
        {
            let range = PhysRange { start, end: below.range.end.min(end) };
            self.report_overlap(range, affinity, below);
            start = range.end;
            if below.range.end <= end {
                self.open_like(affinity).pop();
            }
        }
        // Cannot fail: the array has room for all affinity ranges.
        let _ = self.open_like(affinity).try_push(affinity);
    }

    /// Returns the open ranges of this one's kind.
    fn open_like(&mut self, affinity: &AffinityRange) -> &mut Open<'a> {
        if affinity.is_window() { &mut self.windows } else { &mut self.plain }
    }

    fn report_overlap(&mut self, range: PhysRange, affinity: &AffinityRange, below: &AffinityRange) {
        let (domain, other) = (affinity.domain, below.domain);
        if domain == other {
            self.report(affinity, MemoryFault::Overlap { range, domain });
        } else {
            self.report(affinity, MemoryFault::Conflict { range, domain, other });
        }
    }

    fn report(&mut self, affinity: &AffinityRange, fault: impl Into<Fault>) {
        self.findings.report(Finding::new(Signature::SRAT, affinity.offset, fault));
    }
}

/// Removes the ranges that have ended and returns the last one that has not.
fn last_open<'a>(open: &mut Open<'a>, position: PhysAddr) -> Option<&'a AffinityRange> {
    while open.last().is_some_and(|affinity| affinity.range.end <= position) {
        open.pop();
    }
    open.last().copied()
}
