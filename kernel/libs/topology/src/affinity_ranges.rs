//! The SRAT's memory entries as ranges of whole frames, each with the domain that it has an affinity to.
use core::cmp::{Ordering, Reverse};

use acpi_tables::{Fault, Finding, Findings, LimitFault, MemoryFault, Signature, SratMemory};
use arrayvec::ArrayVec;
use units::{FRAME_SIZE, PhysRange, ProximityDomain};

use crate::MAX_RANGES;
use crate::smallest::{LeftOut, Smallest};

/// The end of the last frame whose end can be written as an address.
const LAST_END: u64 = u64::MAX - (FRAME_SIZE - 1);

/// A range of frames and its domain.
#[derive(Clone, Copy, Debug)]
pub struct AffinityRange {
    pub range: PhysRange,
    pub domain: ProximityDomain,
    pub hot_pluggable: bool,
    /// The offset of the SRAT's entry.
    pub offset: u32,
}

impl AffinityRange {
    /// Returns true if the range may contain no RAM: memory may be added there. Then only its RAM is memory of its domain.
    pub const fn is_window(&self) -> bool {
        self.hot_pluggable
    }
}

/// Orders ranges by precedence: where two plain ranges or two windows overlap, the greater one gets the memory.
///
/// A range is greater if it starts later. Of ranges with the same start, the shorter one is greater, then the one that is
/// not hot-pluggable, then the one with the lower domain. The entry's offset has no influence.
impl Ord for AffinityRange {
    fn cmp(&self, other: &Self) -> Ordering {
        let key = |affinity: &Self| {
            let PhysRange { start, end } = affinity.range;
            (start, Reverse(end), Reverse(affinity.hot_pluggable), Reverse(affinity.domain))
        };
        key(self).cmp(&key(other))
    }
}

impl PartialOrd for AffinityRange {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for AffinityRange {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for AffinityRange {}

/// The ranges of all valid entries without duplicates. Of too many ranges, the lowest stay.
pub struct AffinityRanges<'a> {
    ranges: Smallest<AffinityRange, MAX_RANGES>,
    ram: &'a [PhysRange],
}

impl<'a> AffinityRanges<'a> {
    /// Creates an empty list for a machine with this memory map.
    pub const fn new(ram: &'a [PhysRange]) -> Self {
        Self { ranges: Smallest::new(), ram }
    }

    /// Adds the range of an enabled entry. Ignores persistent memory, which is not RAM.
    pub fn take(&mut self, entry: SratMemory, findings: &mut dyn Findings) {
        if entry.non_volatile {
            return;
        }
        let SratMemory { domain, hot_pluggable, offset, .. } = entry;
        let mut report = |offset, fault: Fault| findings.report(Finding::new(Signature::SRAT, offset, fault));
        let range = match frames_of(entry) {
            Ok(range) => range,
            Err(fault) => return report(offset, fault.into()),
        };
        if !(entry.base.is_multiple_of(FRAME_SIZE) && entry.length.is_multiple_of(FRAME_SIZE)) {
            let fault = MemoryFault::Unaligned { base: entry.base, length: entry.length, used: range };
            report(offset, fault.into());
        }
        if entry.base.saturating_add(entry.length) > LAST_END {
            report(offset, MemoryFault::LastFrame { base: entry.base, domain, used: Some(range) }.into());
        }
        if !self.ram.is_empty() && pieces(self.ram, range).next().is_none() {
            // A hot-pluggable range may be empty.
            if !hot_pluggable {
                report(offset, MemoryFault::NoRam { range, domain }.into());
            }
            return;
        }
        match self.ranges.offer(AffinityRange { range, domain, hot_pluggable, offset }) {
            None => {}
            Some(LeftOut::Duplicate(AffinityRange { range, domain, offset, .. })) => {
                report(offset, MemoryFault::Overlap { range, domain }.into());
            }
            Some(LeftOut::NoRoom(AffinityRange { range, offset, .. })) => {
                report(offset, LimitFault::Ranges { range, limit: MAX_RANGES }.into());
            }
        }
    }

    /// Returns the ranges in ascending order of precedence.
    pub fn in_order(&mut self) -> &mut ArrayVec<AffinityRange, MAX_RANGES> {
        self.ranges.items_mut()
    }
}

/// Returns the frames that an entry's range touches.
fn frames_of(entry: SratMemory) -> Result<PhysRange, MemoryFault> {
    let SratMemory { base, length, domain, .. } = entry;
    let end = u128::from(base) + u128::from(length);
    if length == 0 {
        return Err(MemoryFault::Empty { base, domain });
    }
    if end > 1 << 64 {
        return Err(MemoryFault::Wraps { base, length, domain });
    }
    // Rounds outwards, because a frame that is left out is lost RAM.
    let start = base - base % FRAME_SIZE;
    let end = end.next_multiple_of(FRAME_SIZE.into()).min(LAST_END.into()) as u64;
    if start < end {
        Ok(PhysRange::new(start, end))
    } else {
        Err(MemoryFault::LastFrame { base, domain, used: None })
    }
}

/// Returns the parts of `range` that the memory map lists as RAM.
pub fn pieces(ram: &[PhysRange], range: PhysRange) -> impl Iterator<Item = PhysRange> {
    let first = ram.partition_point(|piece| piece.end <= range.start);
    let rest = ram.get(first..).unwrap_or_default().iter();
    rest.map(move |piece| piece.intersection(range)).take_while(|piece| !piece.is_empty())
}
