//! What each CPU has allocated, in numastat's terms: beside what the allocator counts for each node, with which it agrees in sum.
use super::{cpu_memory, page_allocator};
use crate::cpu::{self, Cpu};
use crate::platform::numa_topology;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Pages that a CPU did not take from its cache, which counts for itself. The CPU alone writes them, with preemption off.
pub struct CpuCounts {
    /// Of this CPU's node, and of others.
    by_distance: [AtomicU64; 2],
    /// Those of another node than they were wanted of.
    miss: AtomicU64,
    /// Those of the node whose turn it was.
    interleave_hit: AtomicU64,
    /// Calls that the allocator refused to take pages back in.
    refused_frees: AtomicU64,
}

impl CpuCounts {
    /// None yet.
    pub const fn new() -> Self {
        Self {
            by_distance: [const { AtomicU64::new(0) }; 2],
            miss: AtomicU64::new(0),
            interleave_hit: AtomicU64::new(0),
            refused_frees: AtomicU64::new(0),
        }
    }

    /// Counts pages that were granted: whether by this CPU's node.
    #[inline]
    pub fn note(&self, pages: u64, local: bool) {
        add(&self.by_distance[usize::from(!local)], pages);
    }

    /// Counts pages, which are noted, as those of another node than they were wanted of.
    #[cold]
    pub fn note_miss(&self, pages: u64) {
        add(&self.miss, pages);
    }

    /// Counts pages, which are noted, as those of the node whose turn it was.
    #[cold]
    pub fn note_interleave_hit(&self, pages: u64) {
        add(&self.interleave_hit, pages);
    }

    /// Counts a free that was refused.
    #[cold]
    pub fn note_refused_free(&self) {
        add(&self.refused_frees, 1);
    }

    /// Counts what `other` has counted.
    pub fn take_over(&self, other: &Self) {
        let pairs = self.by_distance.iter().zip(&other.by_distance);
        pairs.for_each(|(to, from)| add(to, from.load(Relaxed)));
        add(&self.miss, other.miss.load(Relaxed));
        add(&self.interleave_hit, other.interleave_hit.load(Relaxed));
        add(&self.refused_frees, other.refused_frees.load(Relaxed));
    }

    fn read(&self) -> Counts {
        let [local, other] = self.by_distance.each_ref().map(|counter| counter.load(Relaxed));
        let [miss, interleave_hit, refused_frees] =
            [&self.miss, &self.interleave_hit, &self.refused_frees].map(|counter| counter.load(Relaxed));
        // Another CPU may see a miss before the page that it is of.
        Counts {
            hit: (local + other).saturating_sub(miss),
            miss,
            interleave_hit,
            local,
            other,
            refused_frees,
        }
    }
}

/// Nobody else writes it.
#[inline]
fn add(counter: &AtomicU64, pages: u64) {
    counter.store(counter.load(Relaxed) + pages, Relaxed);
}

/// Pages allocated, by whomever.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// From the node that they were wanted of.
    pub hit: u64,
    /// From another node than that; for the node that they were wanted of, these are foreign.
    pub miss: u64,
    /// From the node whose turn it was; part of the hits.
    pub interleave_hit: u64,
    /// From the node of the CPU that asked.
    pub local: u64,
    /// From another node than that.
    pub other: u64,
    /// Calls that the allocator refused to take pages back in; the only count that is not of pages.
    pub refused_frees: u64,
}

impl Counts {
    /// Both together.
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

/// What the CPU has allocated since boot.
pub fn of_cpu(cpu: &Cpu) -> Counts {
    let memory = cpu_memory::of(cpu);
    // What its cache hands out is of the CPU's own node, and was wanted of it.
    let cached = memory.page_cache_view.map_or(0, |cache| cache.granted());
    memory.page_counts.read().plus(Counts { hit: cached, local: cached, ..Counts::default() })
}

/// What all CPUs have allocated, as the CPUs say and as the nodes do; while no CPU allocates, the two are the same.
pub fn sums() -> (Counts, Counts) {
    let cpus = cpu::all().map(of_cpu).fold(Counts::default(), Counts::plus);
    let nodes = numa_topology::get().nodes().iter().map(|node| {
        let stats = page_allocator::node_stats(node.id);
        Counts {
            hit: stats.hit,
            miss: stats.miss,
            interleave_hit: stats.interleave_hit,
            local: stats.local,
            other: stats.other,
            refused_frees: stats.refused_frees,
        }
    });
    let of_no_node = Counts { refused_frees: page_allocator::refused_outside(), ..Counts::default() };
    (cpus, nodes.fold(of_no_node, Counts::plus))
}

/// Logs a line for each CPU and one for each node.
pub fn log_table() {
    for cpu in cpu::all() {
        let Counts { hit, miss, interleave_hit, local, other, refused_frees } = of_cpu(cpu);
        let (recalls, id) = (cpu_memory::of(cpu).cache_drain.interrupts(), cpu.id);
        log::info!(
            target: "pages",
            "CPU {id}: hit {hit}, miss {miss}, interleave_hit {interleave_hit}, local {local}, other {other}, \
             refused frees {refused_frees}, asked for its cache {recalls}"
        );
    }
    for node in numa_topology::get().nodes() {
        let stats = page_allocator::node_stats(node.id);
        log::info!(
            target: "pages",
            "node {}: hit {}, miss {}, foreign {}, interleave_hit {}, local {}, other {}, refused frees {}",
            node.id, stats.hit, stats.miss, stats.foreign, stats.interleave_hit, stats.local, stats.other,
            stats.refused_frees
        );
    }
}
