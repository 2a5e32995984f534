//! The counts of allocated pages, by CPU and by node. The sums over all CPUs and over all nodes agree.
use super::{cpu_memory, frames};
use crate::cpu::{self, Cpu};
use crate::platform::numa_topology;
use page_alloc::NodeStats;
use page_counts::Counts;

/// Returns what the CPU has allocated since boot.
pub fn of_cpu(cpu: &Cpu) -> Counts {
    let memory = cpu_memory::of(cpu);
    memory.page_counts.read(memory.page_cache_view.map_or(0, |cache| cache.granted()))
}

/// Returns what all CPUs have allocated, as the CPUs count and as the nodes count. While no CPU allocates, both are equal.
pub fn sums() -> (Counts, Counts) {
    let cpus = cpu::all().map(of_cpu).fold(Counts::default(), Counts::plus);
    let nodes = numa_topology::get().nodes().iter().map(|node| {
        let NodeStats { hit, miss, interleave_hit, local, other, refused_frees, .. } =
            frames::node_stats(node.id);
        Counts { hit, miss, interleave_hit, local, other, refused_frees }
    });
    let of_no_node = Counts { refused_frees: frames::refused_outside(), ..Counts::default() };
    (cpus, nodes.fold(of_no_node, Counts::plus))
}

/// Logs a line for each CPU and one for each node.
pub fn log_table() {
    for cpu in cpu::all() {
        let Counts { hit, miss, interleave_hit, local, other, refused_frees } = of_cpu(cpu);
        let (drains, id) = (cpu_memory::of(cpu).cache_drain.interrupts(), cpu.id);
        log::info!(
            target: "pages",
            "CPU {id}: hit {hit}, miss {miss}, interleave_hit {interleave_hit}, local {local}, other {other}, \
             refused frees {refused_frees}, asked for its cache {drains}"
        );
    }
    for node in numa_topology::get().nodes() {
        let stats = frames::node_stats(node.id);
        log::info!(
            target: "pages",
            "node {}: hit {}, miss {}, foreign {}, interleave_hit {}, local {}, other {}, refused frees {}",
            node.id, stats.hit, stats.miss, stats.foreign, stats.interleave_hit, stats.local, stats.other,
            stats.refused_frees
        );
    }
}
