//! The machine's CPUs by node and by distance.
use crate::CpuSet;
use crate::cpu_set::cpus_of_word;
use alloc::collections::TryReserveError;
use alloc::vec::Vec;
use core::ops::Range;
use topology::NumaTopology;
use units::{CpuId, NodeId};

/// The running CPUs of each node, and for each node all nodes that have CPUs, nearest first.
///
/// The map is built once. A query takes a step for each node up to the one of the answer, and one for each of up to [`COMPARED`]
/// CPUs of that node.
#[derive(Clone, Debug)]
pub struct CpuMap {
    cpus: Vec<CpuSet>,
    nearest: Vec<Vec<NodeId>>,
    /// All running CPUs are in this many words of a set.
    words_in_use: usize,
}

/// How many CPUs of a node are compared for a thread. On a larger node any of so many is a good choice, and the cost is bounded.
pub const COMPARED: usize = 16;

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
        let in_use =
            |cpus: &CpuSet| cpus.words().iter().rposition(|word| *word != 0).map_or(0, |last| last + 1);
        let words_in_use = cpus.iter().map(in_use).max().unwrap_or(0);
        Ok(Self { cpus, nearest, words_in_use })
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

    /// Selects a CPU for a thread that prefers `node` and may run on the CPUs that `allowed` has in the word of this index, of the
    /// nearest node that has an allowed CPU: an idle one if there is one, else the one with the lowest `load` of [`COMPARED`] CPUs.
    /// Returns `None` if none of the allowed CPUs runs.
    ///
    /// `idle` returns the words of the idle CPUs. If the node has more allowed CPUs than are compared, the comparison begins at
    /// the first one from `from` on.
    pub fn select_cpu(
        &self,
        node: NodeId,
        allowed: impl Fn(usize) -> u64,
        idle: impl Fn(usize) -> u64,
        from: CpuId,
        load: impl Fn(CpuId) -> u32,
    ) -> Option<CpuId> {
        let words = 0..self.words_in_use;
        let candidate = |cpus: &CpuSet, index: usize| match cpus.words()[index] {
            0 => 0,
            cpus => cpus & allowed(index),
        };
        let sets = self.nearest(node).iter().map(|node| self.cpus_of(*node));
        let cpus = { sets }.find(|cpus| words.clone().any(|index| candidate(cpus, index) != 0))?;
        for index in words.clone() {
            let idle = candidate(cpus, index) & idle(index);
            if idle != 0 {
                return Some(CpuId(index as u32 * 64 + idle.trailing_zeros()));
            }
        }
        let compared = cpus_from(words, from, |index| candidate(cpus, index)).take(COMPARED);
        compared.min_by_key(|cpu| load(*cpu))
    }
}

/// Returns the CPUs of these words from `first` on, ascending, and then those before it.
fn cpus_from(
    words: Range<usize>,
    first: CpuId,
    word: impl Fn(usize) -> u64 + Copy,
) -> impl Iterator<Item = CpuId> {
    let middle = first.index() / 64;
    let before_first = (1 << (first.index() % 64)) - 1;
    let parts = words.clone().cycle().skip(middle).take(words.len() + 1).enumerate();
    parts.flat_map(move |(turn, index)| {
        let mask = match turn {
            0 => !before_first,
            last if last == words.len() => before_first,
            _ => u64::MAX,
        };
        cpus_of_word(index, word(index) & mask)
    })
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
