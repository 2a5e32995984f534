//! Decides who has what where claims overlap, in one sweep over the addresses.
//!
//! At any address the last claim, in the order of claims, of those that cover it has it. So a range reaches to where the
//! next one starts, and a range inside another stays whole.
use acpi_tables::{Finding, Findings, Signature, What};
use arrayvec::ArrayVec;
use units::{PhysAddr, PhysRange};

use crate::domains::Domains;
use crate::memory::{Claim, pieces};
use crate::{MAX_RANGES, MemoryRange};

/// Turns claims, in their order, into ranges, ascending and apart. Nodes are the domains' indices. Of hot-pluggable
/// claims only the RAM is taken, where there is a memory map.
pub fn sweep(
    claims: &[Claim],
    domains: &Domains,
    ram: &[PhysRange],
    ranges: &mut ArrayVec<MemoryRange, MAX_RANGES>,
    findings: &mut dyn Findings,
) {
    let mut sweep =
        Sweep { domains, ram, ranges, findings, open: ArrayVec::new(), position: PhysAddr(0), last: None };
    for claim in claims {
        sweep.advance(claim.range.start);
        sweep.open(claim);
    }
    sweep.advance(PhysAddr(u64::MAX));
}

struct Sweep<'a, 'f> {
    domains: &'a Domains,
    ram: &'a [PhysRange],
    ranges: &'a mut ArrayVec<MemoryRange, MAX_RANGES>,
    findings: &'f mut dyn Findings,
    /// The claims that have started and will have something yet, the one that has the present address last: each ends
    /// behind those after it.
    open: ArrayVec<&'a Claim, MAX_RANGES>,
    position: PhysAddr,
    /// Whose the last range is.
    last: Option<&'a Claim>,
}

impl<'a> Sweep<'a, '_> {
    /// Gives away everything up to `limit`.
    fn advance(&mut self, limit: PhysAddr) {
        while let Some(&claim) = self.open.last() {
            let end = claim.range.end.min(limit);
            if self.position < end {
                self.give(PhysRange { start: self.position, end }, claim);
                self.position = end;
            }
            if claim.range.end > limit {
                break;
            }
            self.open.pop();
        }
        self.position = limit;
    }

    fn give(&mut self, range: PhysRange, claim: &'a Claim) {
        if claim.hot_pluggable && !self.ram.is_empty() {
            pieces(self.ram, range).for_each(|piece| self.push(piece, claim));
        } else {
            self.push(range, claim);
        }
    }

    /// Adds a range, to the one before where both are of one domain and a claim goes across the border.
    fn push(&mut self, range: PhysRange, claim: &'a Claim) {
        if let (Some(before), Some(last)) = (self.ranges.last_mut(), self.last)
            && before.range.end == range.start
            && (last.domain, last.hot_pluggable) == (claim.domain, claim.hot_pluggable)
            && (last.range.end > range.start || claim.range.start < range.start)
        {
            before.range.end = range.end;
            self.last = Some(claim);
            return;
        }
        let Some(node) = self.domains.index(claim.domain) else { return };
        if self.ranges.try_push(MemoryRange { range, node, hot_pluggable: claim.hot_pluggable }).is_ok() {
            self.last = Some(claim);
        } else {
            self.report(claim, What::RangesFull { range, limit: MAX_RANGES });
        }
    }

    /// Lets a claim take what it covers from those that are open, and tells of each what it takes. One that ends no later
    /// has nothing any more, so each claim is looked at once here and once where it ends.
    fn open(&mut self, claim: &'a Claim) {
        let PhysRange { mut start, end } = claim.range;
        while start < end
            && let Some(&below) = self.open.last()
        {
            let range = PhysRange { start, end: below.range.end.min(end) };
            self.report_overlap(range, claim, below);
            start = range.end;
            if below.range.end <= end {
                self.open.pop();
            }
        }
        // As many claims can be open as there are.
        let _ = self.open.try_push(claim);
    }

    fn report_overlap(&mut self, range: PhysRange, claim: &Claim, below: &Claim) {
        let (domain, other) = (claim.domain, below.domain);
        if domain == other {
            self.report(claim, What::MemoryOverlap { range, domain });
        } else {
            self.report(claim, What::MemoryConflict { range, domain, other });
        }
    }

    fn report(&mut self, claim: &Claim, what: What) {
        self.findings.report(Finding::new(Signature::SRAT, claim.offset, what));
    }
}
