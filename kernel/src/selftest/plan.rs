//! Shows each node's memory and CPUs, and allocates and frees a page on each node. Other tools read the lines, so their
//! words are fixed.
use super::{Outcome, ensure};
use crate::memory::allocate::{self, Zeroed};
use crate::platform::numa_topology;
use crate::report::console::PLAIN;

/// Logs the lines. Fails only if a page cannot be freed.
pub fn run() -> Outcome {
    let topology = numa_topology::get();
    log::info!(target: PLAIN, "[NUMA Test] Starting...");
    log::info!(target: PLAIN, "[NUMA Test] Node count: {}", topology.node_count());
    for node in topology.nodes() {
        let (mb, cpus) = (node.memory_size / (1024 * 1024), node.cpu_count);
        log::info!(target: PLAIN, "[NUMA Test] Node {}: {mb} MB, {cpus} CPUs", node.id);
    }
    for node in topology.nodes() {
        if let Some(page) = allocate::allocate_for_kernel(node.id, 1, Zeroed::Yes) {
            let address = page.frame.address().0;
            log::info!(target: PLAIN, "[NUMA Test] Allocated page 0x{address:x} from node {}", node.id);
            let freed = allocate::free_for_kernel(page.frame, page.count);
            ensure!(freed.is_ok(), "page {address:#x} could not be freed: {freed:?}");
        }
    }
    Ok(())
}
