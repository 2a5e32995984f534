//! The exports about NUMA: nodes, distances, and where the calling thread's memory comes from.
use super::cpu::cpu_from;
use super::pointer::{Access, DriverPointer};
use super::thread_only;
use crate::cpu;
use crate::memory::frames;
use crate::memory::memory_context::MemoryContext;
use crate::platform::numa_topology;
use abi::{
    NUMA_POLICY_INTERLEAVE, NUMA_POLICY_LOCAL, NUMA_POLICY_PREFERRED, NUMA_POLICY_SET, NUMA_POLICY_STRICT,
    NUMA_POLICY_WEIGHTED, NumaNodeInfo, NumaNodeStatistics, NumaPolicy,
};
use core::ffi::c_int;
use page_alloc::{NodeStats, NodeWeights, Policy};
use units::{FrameNumber, MAX_NODES, NodeId, NodeSet, PhysAddr};

/// What an export returns for no node, or for arguments that it refuses.
const NONE: c_int = -1;
/// What an export returns for a node that does not exist, where -1 is a valid answer.
const NO_SUCH_NODE: c_int = -2;

/// Returns the node that a driver's index names.
pub fn node_from(index: c_int) -> Option<NodeId> {
    let node = NodeId::new(usize::try_from(index).ok()?)?;
    numa_topology::get().node(node).map(|node| node.id)
}

fn node_to_c(node: Option<NodeId>) -> c_int {
    node.map_or(NONE, |node| node.index() as c_int)
}

pub extern "C" fn get_numa_node_count() -> c_int {
    numa_topology::get().node_count() as c_int
}

pub unsafe extern "C" fn get_numa_node_info(node: c_int, info: *mut NumaNodeInfo) -> bool {
    // SAFETY: the condition of all exports (see the folder's `mod.rs`).
    let info = unsafe { DriverPointer::new(info) };
    let Some(node) = node_from(node).and_then(|node| numa_topology::get().node(node)) else { return false };
    let value = NumaNodeInfo {
        NodeId: node.domain.0,
        CpuCount: node.cpu_count,
        MemoryBase: node.memory_base,
        MemorySize: node.memory_size,
        IsValid: true,
    };
    info.write(value).is_some()
}

pub extern "C" fn get_numa_node_for_cpu(cpu: c_int) -> c_int {
    node_to_c(cpu_from(cpu).map(|cpu| cpu.node))
}

pub extern "C" fn get_current_numa_node() -> c_int {
    node_to_c(Some(cpu::current().node))
}

pub extern "C" fn get_numa_distance(from: c_int, to: c_int) -> c_int {
    let distance = || numa_topology::get().distance(node_from(from)?, node_from(to)?);
    distance().map_or(NONE, c_int::from)
}

pub extern "C" fn get_numa_node_for_address(address: u64) -> c_int {
    node_to_c(frames::node_of(FrameNumber::containing(PhysAddr(address))))
}

pub extern "C" fn get_page_numa_node(page: u64) -> c_int {
    get_numa_node_for_address(page)
}

pub extern "C" fn is_numa_available() -> bool {
    numa_topology::get().node_count() > 1
}

pub extern "C" fn has_numa_distance_matrix() -> bool {
    numa_topology::get().has_distance_matrix()
}

pub extern "C" fn set_preferred_numa_node(node: c_int) -> c_int {
    if !thread_only::is_thread("Kernel_SetPreferredNumaNode") {
        return NO_SUCH_NODE;
    }
    let wanted = match (node, node_from(node)) {
        (NONE, _) => None,
        (_, Some(node)) => Some(node),
        (_, None) => return NO_SUCH_NODE,
    };
    node_to_c(MemoryContext::current().set_preferred_node(wanted))
}

pub extern "C" fn get_preferred_numa_node() -> c_int {
    if !thread_only::is_thread("Kernel_GetPreferredNumaNode") {
        return NONE;
    }
    node_to_c(MemoryContext::current().preferred_node())
}

pub unsafe extern "C" fn set_numa_policy(policy: *const NumaPolicy) -> c_int {
    if !thread_only::is_thread("Kernel_SetNumaPolicy") {
        return NONE;
    }
    // SAFETY: the condition of all exports (see the folder's `mod.rs`).
    let policy = unsafe { DriverPointer::new(policy) };
    let mut weights = None;
    let Some(policy) = read_policy(policy, &mut weights) else { return NONE };
    MemoryContext::current().set_policy(Some(policy));
    0
}

pub unsafe extern "C" fn get_numa_node_statistics(node: c_int, statistics: *mut NumaNodeStatistics) -> bool {
    // The numbers are under the node's lock, which leaves interrupts on: a handler might wait for the code that it has interrupted.
    if !thread_only::is_thread("Kernel_GetNumaNodeStatistics") {
        return false;
    }
    // SAFETY: the condition of all exports (see the folder's `mod.rs`).
    let statistics = unsafe { DriverPointer::new(statistics) };
    let fill = || {
        let size = statistics.check_sized(Access::Write)?;
        statistics.write(node_statistics(&frames::node_stats(node_from(node)?), size))
    };
    fill().is_some()
}

/// Returns a node's numbers as the ABI describes them, in a structure of `size` bytes.
fn node_statistics(stats: &NodeStats, size: u32) -> NumaNodeStatistics {
    let &NodeStats { total, managed, free, hit, miss, foreign, interleave_hit, local, other, .. } = stats;
    NumaNodeStatistics {
        Size: size,
        Reserved: 0,
        Total: total,
        Managed: managed,
        Free: free,
        LargestFree: stats.largest_free_order.map_or(0, |order| 1 << order),
        Hit: hit,
        Miss: miss,
        Foreign: foreign,
        InterleaveHit: interleave_hit,
        Local: local,
        Other: other,
        Refused: stats.refused_frees,
    }
}

pub unsafe extern "C" fn get_numa_policy(policy: *mut NumaPolicy) -> c_int {
    if !thread_only::is_thread("Kernel_GetNumaPolicy") {
        return NONE;
    }
    // SAFETY: the condition of all exports (see the folder's `mod.rs`).
    let policy = unsafe { DriverPointer::new(policy) };
    let answer = || {
        policy.check_sized(Access::Write)?;
        let asked: NumaPolicy = policy.read()?;
        let answer = match MemoryContext::current().effective_policy() {
            Policy::Local => NumaPolicy::local(),
            Policy::Preferred(node) => NumaPolicy::preferred(node.index() as i32),
            Policy::Strict(node) => NumaPolicy::strict(node.index() as i32),
            Policy::Set(nodes) => NumaPolicy::set(nodes.words()),
            Policy::Interleave(nodes) => NumaPolicy::interleave(nodes.words()),
            Policy::Weighted(nodes, weights) => {
                // SAFETY: the condition of all exports also covers the pointers in a structure that the driver passes.
                write_weights(weights, unsafe { DriverPointer::new(asked.Weights) })?;
                NumaPolicy::weighted(nodes.words(), asked.Weights)
            }
        };
        policy.write(NumaPolicy { Size: asked.Size, ..answer })
    };
    answer().map_or(NONE, |()| 0)
}

/// Writes one weight for each node of the machine to `to`, unless that is null.
fn write_weights(weights: &NodeWeights, to: DriverPointer<u8>) -> Option<()> {
    let nodes = numa_topology::get().nodes();
    if to.is_null() {
        return Some(());
    }
    to.write_array(nodes.len(), |index| weights.of(nodes[index].id))
}

/// Returns the policy that a driver describes; `None` if `Kernel_SetNumaPolicy` refuses it. A weighted policy refers to the
/// copy of its weights that this function puts into `weights`.
pub fn read_policy(
    pointer: DriverPointer<NumaPolicy>,
    weights: &mut Option<NodeWeights>,
) -> Option<Policy<'_>> {
    let policy = pointer.read_sized()?;
    if policy.Reserved != 0 {
        return None;
    }
    match policy.Kind {
        NUMA_POLICY_LOCAL => Some(Policy::Local),
        NUMA_POLICY_PREFERRED => node_from(policy.Node).map(Policy::Preferred),
        NUMA_POLICY_STRICT => node_from(policy.Node).map(Policy::Strict),
        NUMA_POLICY_SET => nodes_from(policy.Nodes).map(Policy::Set),
        NUMA_POLICY_INTERLEAVE => nodes_from(policy.Nodes).map(Policy::Interleave),
        NUMA_POLICY_WEIGHTED => {
            let count = numa_topology::get().node_count();
            // SAFETY: by the condition of `DriverPointer::new` for the policy, which holds for what the policy points at.
            let given = unsafe { DriverPointer::new(policy.Weights) }.copy::<MAX_NODES>(count)?;
            let weights = weights.insert(NodeWeights::from_iter(given));
            let nodes = nodes_from(policy.Nodes)?.intersection(weights.nodes());
            (!nodes.is_empty()).then_some(Policy::Weighted(nodes, weights))
        }
        _ => None,
    }
}

/// Returns the nodes with memory among those that a driver names; `None` if there are none, or if the driver names a node
/// that does not exist.
fn nodes_from(words: [u64; 2]) -> Option<NodeSet> {
    let nodes = NodeSet::from_words(words);
    let count = numa_topology::get().node_count();
    let with_memory = nodes.intersection(frames::nodes_with_memory());
    let all_exist = nodes.iter().all(|node| node.index() < count);
    (all_exist && !with_memory.is_empty()).then_some(with_memory)
}
