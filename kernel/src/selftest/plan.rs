//! Shows each node's memory and CPUs, and allocates and frees a page on each node. Other tools read the lines, so their
//! words are fixed.
use super::{Outcome, ensure};
use crate::memory::allocate::{self, Zeroed};
use crate::memory::frames;
use crate::memory::page_uses::PageUse;
use crate::platform::numa_topology;
use crate::report::console::PLAIN;

/// Logs the lines. Checks that each page comes from the node it was asked of, if that has a free one, and that it can be freed.
pub fn run() -> Outcome {
    let topology = numa_topology::get();
    log::info!(target: PLAIN, "[NUMA Test] Starting...");
    log::info!(target: PLAIN, "[NUMA Test] Node count: {}", topology.node_count());
    for node in topology.nodes() {
        let (mb, cpus) = (node.memory_size / (1024 * 1024), node.cpu_count);
        log::info!(target: PLAIN, "[NUMA Test] Node {}: {mb} MB, {cpus} CPUs", node.id);
    }
    for node in topology.nodes() {
        let free = frames::node_stats(node.id).free;
        let page = allocate::allocate_for_kernel(PageUse::Tests, node.id, 1, Zeroed::Yes)
            .ok_or("no page to be had")?;
        let (address, on) = (page.frame.address().0, frames::node_of(page.frame));
        log::info!(target: PLAIN, "[NUMA Test] Allocated page 0x{address:x} from node {}", page.node);
        let freed = allocate::free_for_kernel(PageUse::Tests, page.frame, page.count);
        ensure!(freed.is_ok(), "page {address:#x} could not be freed: {freed:?}");
        ensure!(
            on == Some(page.node),
            "page {address:#x} is on node {on:?}, and was granted as {}'s",
            page.node
        );
        ensure!(
            free == 0 || page.node == node.id,
            "node {} has {free} free pages, and a page asked of it came from node {}",
            node.id,
            page.node
        );
    }
    Ok(())
}
