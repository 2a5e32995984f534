//! The machine's CPUs by node and by distance.
use crate::CpuSet;
use alloc::collections::TryReserveError;
use alloc::vec::Vec;
use topology::NumaTopology;
use units::{CpuId, NodeId};

/// The running CPUs of each node, and for each node all nodes that have CPUs, nearest first.
///
/// The map is built once. A query takes a step for each node up to the one of the answer, and one for each CPU of that node.
#[derive(Clone, Debug)]
pub struct CpuMap {
    cpus: Vec<CpuSet>,
    nearest: Vec<Vec<NodeId>>,
}

impl CpuMap {
    /// Builds the map of this machine, with the CPUs for which `runs` holds. Takes n² log n steps for n nodes.
    ///
    /// # Errors
    /// [`TryReserveError`] if there is not enough memory for the lists.
    pub fn new(topology: &NumaTopology, runs: impl Fn(CpuId) -> bool) -> Result<Self, TryReserveError> {
        let mut cpus = list_for(topology.node_count())?;
        cpus.resize(topology.node_count(), CpuSet::EMPTY);
        for cpu in topology.cpus().iter().filter(|cpu| runs(cpu.id)) {
            cpus[cpu.node.index()].insert(cpu.id);
        }
        let mut nearest = list_for(topology.node_count())?;
        for node in topology.nodes() {
            nearest.push(nearest_with_cpus(topology, node.id, &cpus)?);
        }
        Ok(Self { cpus, nearest })
    }

    /// Returns the running CPUs of a node.
    #[must_use]
    pub fn cpus_of(&self, node: NodeId) -> &CpuSet {
        self.cpus.get(node.index()).unwrap_or(const { &CpuSet::EMPTY })
    }

    /// Returns all running CPUs.
    #[must_use]
    pub fn all(&self) -> CpuSet {
        self.cpus.iter().flat_map(CpuSet::iter).collect()
    }

    /// Returns the nodes that have CPUs, `node` among them, nearest to `node` first.
    #[must_use]
    pub fn nearest(&self, node: NodeId) -> &[NodeId] {
        self.nearest.get(node.index()).map_or(&[], |nodes| nodes)
    }

    /// Selects a CPU for a thread that prefers `node` and may run on `allowed`: the one with the lowest `load`, of the nearest
    /// node that has an allowed CPU. Returns `None` if none of the allowed CPUs runs.
    pub fn select_cpu(&self, node: NodeId, allowed: &CpuSet, load: impl Fn(CpuId) -> u32) -> Option<CpuId> {
        let candidates = |node: &NodeId| self.cpus_of(*node).intersection(allowed);
        let nearest = self.nearest(node).iter().map(candidates).find(|cpus| !cpus.is_empty())?;
        nearest.iter().min_by_key(|cpu| load(*cpu))
    }

    /// Returns the CPUs that `thief`, a CPU of `node`, may take threads from: those of its node first, then node by node outward.
    /// Within a node the CPU after `thief` comes first, so that not all thieves go to the same one.
    pub fn victims(&self, thief: CpuId, node: NodeId) -> impl Iterator<Item = CpuId> {
        let behind = move |cpu: &CpuId| *cpu > thief;
        let before = move |cpu: &CpuId| *cpu < thief;
        self.nearest(node).iter().flat_map(move |node| {
            let cpus = self.cpus_of(*node);
            cpus.iter().filter(behind).chain(cpus.iter().filter(before))
        })
    }
}

/// Returns an empty list with room for `count` items.
fn list_for<T>(count: usize) -> Result<Vec<T>, TryReserveError> {
    let mut list = Vec::new();
    list.try_reserve_exact(count)?;
    Ok(list)
}

fn nearest_with_cpus(
    topology: &NumaTopology,
    from: NodeId,
    cpus: &[CpuSet],
) -> Result<Vec<NodeId>, TryReserveError> {
    let count = topology.node_count();
    let with_cpus = topology.nodes().iter().map(|node| node.id).filter(|node| !cpus[node.index()].is_empty());
    let mut nodes = list_for(count)?;
    nodes.extend(with_cpus);
    let distance = |to: NodeId| if to == from { 0 } else { topology.distance(from, to).unwrap_or(u8::MAX) };
    // Equally distant nodes follow each other by index, from `from` on. So neighbours do not all choose the same one.
    let steps_onward = |to: NodeId| (to.index() + count - from.index()) % count;
    nodes.sort_unstable_by_key(|&to| (distance(to), steps_onward(to)));
    Ok(nodes)
}

#[cfg(test)]
mod tests;
