//! What the SRAT says of memory: each sound entry as one domain's claim to a range of whole frames.
use core::cmp::{Ordering, Reverse};

use acpi_tables::{Finding, Findings, Signature, SratMemory, What};
use arrayvec::ArrayVec;
use units::{FRAME_SIZE, PhysRange, ProximityDomain};

use crate::MAX_RANGES;
use crate::smallest::{LeftOut, Smallest};

/// The end of the last frame whose end can be written as an address.
const LAST_END: u64 = u64::MAX - (FRAME_SIZE - 1);

/// A domain's claim to a range of frames.
#[derive(Clone, Copy, Debug)]
pub struct Claim {
    pub range: PhysRange,
    pub domain: ProximityDomain,
    pub hot_pluggable: bool,
    /// The entry that makes it.
    pub offset: u32,
}

/// In the order of claims, a later one takes from an earlier one what both cover: the one that starts later, then the
/// shorter, then memory that is there over memory that may come, then the lower domain. Which entry makes a claim is all
/// the same.
impl Ord for Claim {
    fn cmp(&self, other: &Self) -> Ordering {
        let key = |claim: &Self| {
            let PhysRange { start, end } = claim.range;
            (start, Reverse(end), Reverse(claim.hot_pluggable), Reverse(claim.domain))
        };
        key(self).cmp(&key(other))
    }
}

impl PartialOrd for Claim {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Claim {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Claim {}

/// The claims of all sound entries, each once, or the lowest of them where there is no room for all.
pub struct Claims<'a> {
    claims: Smallest<Claim, MAX_RANGES>,
    ram: &'a [PhysRange],
}

impl<'a> Claims<'a> {
    /// No claims yet, on a machine with this memory map.
    pub const fn new(ram: &'a [PhysRange]) -> Self {
        Self { claims: Smallest::new(), ram }
    }

    /// Takes in an enabled entry. Persistent memory is not RAM and claims nothing.
    pub fn take(&mut self, entry: SratMemory, findings: &mut dyn Findings) {
        if entry.non_volatile {
            return;
        }
        let SratMemory { domain, hot_pluggable, offset, .. } = entry;
        let mut report = |offset, what| findings.report(Finding::new(Signature::SRAT, offset, what));
        let range = match frames_of(entry) {
            Ok(range) => range,
            Err(what) => return report(offset, what),
        };
        if !(entry.base.is_multiple_of(FRAME_SIZE) && entry.length.is_multiple_of(FRAME_SIZE)) {
            let what = What::MemoryUnaligned { base: entry.base, length: entry.length, used: range };
            report(offset, what);
        }
        if entry.base.saturating_add(entry.length) > LAST_END {
            report(offset, What::MemoryLastFrame { base: entry.base, domain, used: Some(range) });
        }
        if !self.ram.is_empty() && pieces(self.ram, range).next().is_none() {
            // An empty slot is as it should be.
            if !hot_pluggable {
                report(offset, What::MemoryNoRam { range, domain });
            }
            return;
        }
        match self.claims.offer(Claim { range, domain, hot_pluggable, offset }) {
            None => {}
            Some(LeftOut::Duplicate(Claim { range, domain, offset, .. })) => {
                report(offset, What::MemoryOverlap { range, domain });
            }
            Some(LeftOut::NoRoom(Claim { range, offset, .. })) => {
                report(offset, What::RangesFull { range, limit: MAX_RANGES });
            }
        }
    }

    /// The claims in their order.
    pub fn in_order(&mut self) -> &mut ArrayVec<Claim, MAX_RANGES> {
        self.claims.items_mut()
    }
}

/// The frames that the entry's range touches.
fn frames_of(entry: SratMemory) -> Result<PhysRange, What> {
    let SratMemory { base, length, domain, .. } = entry;
    let end = u128::from(base) + u128::from(length);
    if length == 0 {
        return Err(What::MemoryEmpty { base, domain });
    }
    if end > 1 << 64 {
        return Err(What::MemoryWraps { base, length, domain });
    }
    // Rounded outwards, for a frame left out would be RAM lost.
    let start = base - base % FRAME_SIZE;
    let end = end.next_multiple_of(FRAME_SIZE.into()).min(LAST_END.into()) as u64;
    if start < end {
        Ok(PhysRange::new(start, end))
    } else {
        Err(What::MemoryLastFrame { base, domain, used: None })
    }
}

/// The parts of `range` that the memory map shows as RAM.
pub fn pieces(ram: &[PhysRange], range: PhysRange) -> impl Iterator<Item = PhysRange> {
    let first = ram.partition_point(|piece| piece.end <= range.start);
    let rest = ram.get(first..).unwrap_or_default().iter();
    rest.map(move |piece| piece.intersection(range)).take_while(|piece| !piece.is_empty())
}
