//! The caches in front of nodes' memory.
use acpi_tables::{Findings, HmatFault};
use arrayvec::ArrayVec;
use units::{NodeId, ProximityDomain};

use crate::performance::report;

/// The most side caches that a topology holds.
pub const MAX_SIDE_CACHES: usize = 256;

/// A cache in front of a node's memory.
// The order of fields is that of caches: by node and level, then what tells two of one level apart.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct SideCache {
    /// Whose memory.
    pub node: NodeId,
    /// Which level, from 1.
    pub level: u8,
    /// Bytes.
    pub size: u64,
    /// How many levels there are.
    pub levels: u8,
    /// 0 none, 1 direct mapped, 2 complex indexing (ACPI 6.5 §5.2.28.5).
    pub associativity: u8,
    /// 0 none, 1 write-back, 2 write-through (ACPI 6.5 §5.2.28.5).
    pub write_policy: u8,
    /// Bytes in a line.
    pub line_size: u16,
}

/// The caches by node and level.
pub type SideCaches = ArrayVec<SideCache, MAX_SIDE_CACHES>;

/// Takes in a cache of this domain, which is a node; `offset` is its structure's.
pub fn take(
    caches: &mut SideCaches,
    new: SideCache,
    domain: ProximityDomain,
    offset: u32,
    findings: &mut dyn Findings,
) {
    let SideCache { level, levels, .. } = new;
    if level == 0 || level > levels {
        return report(HmatFault::CacheLevel { domain, level, levels }, offset, findings);
    }
    let place = caches.partition_point(|cache| (cache.node, cache.level) < (new.node, new.level));
    match caches.get_mut(place) {
        Some(old) if (old.node, old.level) == (new.node, new.level) => {
            if *old != new {
                *old = new.min(*old);
                report(HmatFault::CacheTwice { domain, level }, offset, findings);
            }
        }
        _ => {
            if caches.is_full() {
                report(HmatFault::CachesFull { domain, limit: MAX_SIDE_CACHES }, offset, findings);
                // The lowest stay, whatever the order that they come in.
                if place == caches.len() {
                    return;
                }
                caches.pop();
            }
            caches.insert(place, new);
        }
    }
}
