//! What each CPU has allocated, in numastat's terms, and sums of that.
#![no_std]
#![forbid(unsafe_code)]

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The counters of one CPU. Only that CPU counts, with preemption off. Any CPU may read them.
#[derive(Debug, Default)]
pub struct CpuCounts {
    /// Pages of the CPU's node, and of other nodes.
    by_distance: [AtomicU64; 2],
    miss: AtomicU64,
    interleave_hit: AtomicU64,
    refused_frees: AtomicU64,
}

impl CpuCounts {
    /// Returns counters that are 0.
    pub const fn new() -> Self {
        Self {
            by_distance: [const { AtomicU64::new(0) }; 2],
            miss: AtomicU64::new(0),
            interleave_hit: AtomicU64::new(0),
            refused_frees: AtomicU64::new(0),
        }
    }

    /// Counts granted pages. `local` is true if they are of this CPU's node.
    #[inline]
    pub fn note(&self, pages: u64, local: bool) {
        add(&self.by_distance[usize::from(!local)], pages);
    }

    /// Counts noted pages as pages of another node than the wanted one.
    #[cold]
    pub fn note_miss(&self, pages: u64) {
        add(&self.miss, pages);
    }

    /// Counts noted pages as pages of the node that interleaving chose.
    #[cold]
    pub fn note_interleave_hit(&self, pages: u64) {
        add(&self.interleave_hit, pages);
    }

    /// Counts a refused free.
    #[cold]
    pub fn note_refused_free(&self) {
        add(&self.refused_frees, 1);
    }

    /// Adds the counts of `other`. The caller stops using `other` for counting.
    pub fn take_over(&self, other: &Self) {
        let pairs = self.by_distance.iter().zip(&other.by_distance);
        pairs.for_each(|(to, from)| add(to, from.load(Relaxed)));
        add(&self.miss, other.miss.load(Relaxed));
        add(&self.interleave_hit, other.interleave_hit.load(Relaxed));
        add(&self.refused_frees, other.refused_frees.load(Relaxed));
    }

    /// Returns the counts, with `cached` pages added that the CPU's cache has granted: they are of the CPU's node, which was the
    /// wanted one.
    pub fn read(&self, cached: u64) -> Counts {
        let [local, other] = self.by_distance.each_ref().map(|counter| counter.load(Relaxed));
        let [miss, interleave_hit, refused_frees] =
            [&self.miss, &self.interleave_hit, &self.refused_frees].map(|counter| counter.load(Relaxed));
        // Another CPU may see a miss before it sees the page.
        let hit = (local + other).saturating_sub(miss);
        Counts { hit: hit + cached, miss, interleave_hit, local: local + cached, other, refused_frees }
    }
}

/// Adds to a counter that only this CPU writes.
#[inline]
fn add(counter: &AtomicU64, pages: u64) {
    counter.store(counter.load(Relaxed).wrapping_add(pages), Relaxed);
}

/// Allocated pages, of a CPU, a node or all of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// Pages from the node that they were wanted from.
    pub hit: u64,
    /// Pages from another node. For the node that they were wanted from, they are foreign.
    pub miss: u64,
    /// Pages from the node that interleaving chose: a part of the hits.
    pub interleave_hit: u64,
    /// Pages from the node of the CPU that asked.
    pub local: u64,
    /// Pages from another node than that.
    pub other: u64,
    /// Refused frees: the only count that is not of pages.
    pub refused_frees: u64,
}

impl Counts {
    /// Returns the sum of both.
    #[must_use]
    pub const fn plus(self, more: Self) -> Self {
        Self {
            hit: self.hit + more.hit,
            miss: self.miss + more.miss,
            interleave_hit: self.interleave_hit + more.interleave_hit,
            local: self.local + more.local,
            other: self.other + more.other,
            refused_frees: self.refused_frees + more.refused_frees,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some_counts() -> CpuCounts {
        let counts = CpuCounts::new();
        counts.note(1, true);
        counts.note(8, true);
        counts.note_interleave_hit(8);
        counts.note(512, false);
        counts.note_miss(512);
        counts.note_refused_free();
        counts
    }

    const SOME: Counts =
        Counts { hit: 9, miss: 512, interleave_hit: 8, local: 9, other: 512, refused_frees: 1 };

    #[test]
    fn hits_and_misses_are_as_many_as_local_and_other_pages() {
        assert_eq!(some_counts().read(0), SOME);
        assert_eq!(SOME.hit + SOME.miss, SOME.local + SOME.other);
    }

    #[test]
    fn cached_pages_are_local_hits() {
        assert_eq!(some_counts().read(30), Counts { hit: 39, local: 39, ..SOME });
    }

    #[test]
    fn counts_that_are_taken_over_add_up() {
        let counts = some_counts();
        counts.take_over(&some_counts());
        assert_eq!(counts.read(0), SOME.plus(SOME));
        counts.take_over(&CpuCounts::new());
        assert_eq!(counts.read(0), SOME.plus(SOME));
        assert_eq!(SOME.plus(Counts::default()), SOME);
    }

    #[test]
    fn a_miss_that_is_seen_before_its_page_makes_no_negative_hit() {
        let counts = CpuCounts::new();
        counts.note_miss(4);
        assert_eq!(counts.read(0).hit, 0);
    }
}
