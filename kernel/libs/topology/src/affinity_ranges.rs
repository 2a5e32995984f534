//! The SRAT's memory entries as ranges of whole frames, each with the domain that it has an affinity to.
use core::cmp::{Ordering, Reverse};

use acpi_tables::{Fault, Finding, Findings, LimitFault, MemoryFault, Signature, SratMemory};
use arrayvec::ArrayVec;
use units::{FRAME_SIZE, PhysRange, ProximityDomain};

use crate::smallest::{LeftOut, Smallest};
use crate::{MAX_PERSISTENT_RANGES, MAX_RANGES};

/// The end of the last frame whose end can be written as an address.
const LAST_END: u64 = u64::MAX - (FRAME_SIZE - 1);

/// A range of frames and its domain.
#[derive(Clone, Copy, Debug)]
pub struct AffinityRange {
    pub range: PhysRange,
    pub domain: ProximityDomain,
    pub hot_pluggable: bool,
    pub persistent: bool,
    /// The offset of the SRAT's entry.
    pub offset: u32,
}

impl AffinityRange {
    /// Returns true if the range may contain no RAM: memory may be added there, or its memory is persistent. Then only its
    /// RAM is memory of its domain.
    pub const fn is_window(&self) -> bool {
        self.hot_pluggable || self.persistent
    }
}

/// Orders ranges by precedence: where two plain ranges or two windows overlap, the greater one gets the memory.
///
/// A range is greater if it starts later. Of ranges with the same start, the shorter one is greater, then the one that is
/// not hot-pluggable, then the one that is not persistent, then the one with the lower domain. The entry's offset has no
/// influence.
impl Ord for AffinityRange {
    fn cmp(&self, other: &Self) -> Ordering {
        let key = |affinity: &Self| {
            let PhysRange { start, end } = affinity.range;
            let flags = (Reverse(affinity.hot_pluggable), Reverse(affinity.persistent));
            (start, Reverse(end), flags, Reverse(affinity.domain))
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
    /// All ranges of persistent memory, also those without RAM.
    persistent: Smallest<AffinityRange, MAX_PERSISTENT_RANGES>,
    ram: &'a [PhysRange],
    known: &'a [PhysRange],
}

impl<'a> AffinityRanges<'a> {
    /// Creates an empty list for a machine with this RAM and this memory of any use in its memory map.
    pub const fn new(ram: &'a [PhysRange], known: &'a [PhysRange]) -> Self {
        Self { ranges: Smallest::new(), persistent: Smallest::new(), ram, known }
    }

    /// Adds the range of an enabled entry.
    pub fn take(&mut self, entry: SratMemory, findings: &mut dyn Findings) {
        let SratMemory { domain, hot_pluggable, non_volatile: persistent, offset, .. } = entry;
        let range = match frames_of(entry) {
            Ok(range) => range,
            Err(fault) => return report(offset, fault, findings),
        };
        if !(entry.base.is_multiple_of(FRAME_SIZE) && entry.length.is_multiple_of(FRAME_SIZE)) {
            let fault = MemoryFault::Unaligned { base: entry.base, length: entry.length, used: range };
            report(offset, fault, findings);
        }
        if entry.base.saturating_add(entry.length) > LAST_END {
            let fault = MemoryFault::LastFrame { base: entry.base, domain, used: Some(range) };
            report(offset, fault, findings);
        }
        let affinity = AffinityRange { range, domain, hot_pluggable, persistent, offset };
        if persistent && self.list_persistent(affinity, findings) == Listed::Before {
            return;
        }
        if self.may_have_ram(&affinity, findings) {
            self.offer(affinity, findings);
        }
    }

    /// Adds persistent memory to the list of its ranges.
    fn list_persistent(&mut self, affinity: AffinityRange, findings: &mut dyn Findings) -> Listed {
        match self.persistent.offer(affinity) {
            None => {}
            Some(LeftOut::Duplicate(AffinityRange { range, domain, offset, .. })) => {
                report(offset, MemoryFault::Overlap { range, domain }, findings);
                return Listed::Before;
            }
            Some(LeftOut::NoRoom(AffinityRange { range, offset, .. })) => {
                let fault = LimitFault::PersistentRanges { range, limit: MAX_PERSISTENT_RANGES };
                report(offset, fault, findings);
            }
        }
        Listed::Now
    }

    /// Returns true if the range may contain RAM. Reports a plain range that contains neither RAM nor reserved memory.
    fn may_have_ram(&self, affinity: &AffinityRange, findings: &mut dyn Findings) -> bool {
        if self.ram.is_empty() {
            // Only a memory map tells which persistent memory is RAM.
            return !affinity.persistent;
        }
        let has_ram = pieces(self.ram, affinity.range).next().is_some();
        // The memory map may reserve memory that exists, such as that of SGX enclaves.
        let is_reserved = pieces(self.known, affinity.range).any(|piece| piece == affinity.range);
        if !(has_ram || is_reserved || affinity.is_window()) {
            let &AffinityRange { range, domain, offset, .. } = affinity;
            report(offset, MemoryFault::NoRam { range, domain }, findings);
        }
        has_ram
    }

    fn offer(&mut self, affinity: AffinityRange, findings: &mut dyn Findings) {
        match self.ranges.offer(affinity) {
            None => {}
            Some(LeftOut::Duplicate(AffinityRange { range, domain, offset, .. })) => {
                report(offset, MemoryFault::Overlap { range, domain }, findings);
            }
            Some(LeftOut::NoRoom(AffinityRange { range, offset, .. })) => {
                report(offset, LimitFault::Ranges { range, limit: MAX_RANGES }, findings);
            }
        }
    }

    /// Returns the ranges of persistent memory, whether they are RAM or not, in ascending order.
    pub fn persistent(&self) -> &[AffinityRange] {
        self.persistent.items()
    }

    /// Returns the ranges in ascending order of precedence.
    pub fn in_order(&mut self) -> &mut ArrayVec<AffinityRange, MAX_RANGES> {
        self.ranges.items_mut()
    }
}

/// The time at which a persistent range was listed.
#[derive(PartialEq, Eq)]
enum Listed {
    Now,
    Before,
}

fn report(offset: u32, fault: impl Into<Fault>, findings: &mut dyn Findings) {
    findings.report(Finding::new(Signature::SRAT, offset, fault));
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

/// Returns the parts of `range` that are in these ranges of a memory map, which ascend.
pub fn pieces(ram: &[PhysRange], range: PhysRange) -> impl Iterator<Item = PhysRange> {
    let first = ram.partition_point(|piece| piece.end <= range.start);
    let rest = ram.get(first..).unwrap_or_default().iter();
    rest.map(move |piece| piece.intersection(range)).take_while(|piece| !piece.is_empty())
}
