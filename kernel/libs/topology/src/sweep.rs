//! Resolves overlaps of affinity ranges in one sweep over the addresses.
//!
//! Of the affinity ranges that cover an address, the greatest one gets it, by the order of [`AffinityRange`]. Therefore a
//! range extends to the start of the next one, and a range inside another stays whole.
use acpi_tables::{Fault, Finding, Findings, LimitFault, MemoryFault, Signature};
use arrayvec::ArrayVec;
use units::{PhysAddr, PhysRange};

use crate::affinity_ranges::{AffinityRange, pieces};
use crate::domains::Domains;
use crate::{MAX_RANGES, MemoryRange};

/// Converts affinity ranges in ascending order to memory ranges, which ascend and do not overlap.
///
/// The node of a memory range is the index of its domain. If there is a memory map, hot-pluggable ranges contribute only
/// their RAM.
pub fn sweep(
    affinity_ranges: &[AffinityRange],
    domains: &Domains,
    ram: &[PhysRange],
    ranges: &mut ArrayVec<MemoryRange, MAX_RANGES>,
    findings: &mut dyn Findings,
) {
    let mut sweep =
        Sweep { domains, ram, ranges, findings, open: ArrayVec::new(), position: PhysAddr(0), last: None };
    for affinity in affinity_ranges {
        sweep.advance(affinity.range.start);
        sweep.open(affinity);
    }
    sweep.advance(PhysAddr(u64::MAX));
}

struct Sweep<'a, 'f> {
    domains: &'a Domains,
    ram: &'a [PhysRange],
    ranges: &'a mut ArrayVec<MemoryRange, MAX_RANGES>,
    findings: &'f mut dyn Findings,
    /// The affinity ranges that have started and may still get addresses. The last one gets the current address. Each one
    /// ends after those that follow it.
    open: ArrayVec<&'a AffinityRange, MAX_RANGES>,
    position: PhysAddr,
    /// The affinity range of the last memory range.
    last: Option<&'a AffinityRange>,
}

impl<'a> Sweep<'a, '_> {
    /// Assigns all addresses up to `limit`.
    fn advance(&mut self, limit: PhysAddr) {
        while let Some(&affinity) = self.open.last() {
            let end = affinity.range.end.min(limit);
            if self.position < end {
                self.assign(PhysRange { start: self.position, end }, affinity);
                self.position = end;
            }
            if affinity.range.end > limit {
                break;
            }
            self.open.pop();
        }
        self.position = limit;
    }

    /// Assigns a range of addresses to an affinity range.
    fn assign(&mut self, range: PhysRange, affinity: &'a AffinityRange) {
        if affinity.hot_pluggable && !self.ram.is_empty() {
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

    /// Opens an affinity range and reports which addresses it takes from the open ones.
    ///
    /// An open one that does not end later gets no further addresses and is removed. So each affinity range is visited at
    /// most twice: here, and at its end.
    fn open(&mut self, affinity: &'a AffinityRange) {
        let PhysRange { mut start, end } = affinity.range;
        while start < end
            && let Some(&below) = self.open.last()
        {
            let range = PhysRange { start, end: below.range.end.min(end) };
            self.report_overlap(range, affinity, below);
            start = range.end;
            if below.range.end <= end {
                self.open.pop();
            }
        }
        // Cannot fail: `open` has room for all affinity ranges.
        let _ = self.open.try_push(affinity);
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
