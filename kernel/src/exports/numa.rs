//! NUMA: nodes, distances, and what the calling thread prefers.
use super::pointer;
use crate::cpu;
use crate::memory::frames;
use crate::memory::memory_context::MemoryContext;
use crate::platform::{cpu_topology, numa_topology};
use crate::threads::thread::Policy;
use abi::{
    NUMA_POLICY_INTERLEAVE, NUMA_POLICY_LOCAL, NUMA_POLICY_PREFERRED, NUMA_POLICY_SET, NUMA_POLICY_STRICT,
    NUMA_POLICY_WEIGHTED, NumaNodeInfo, NumaPolicy,
};
use core::ffi::c_int;
use page_alloc::NodeWeights;
use units::{CpuId, FrameNumber, MAX_NODES, NodeId, NodeSet, PhysAddr};

/// No node, no CPU, not understood.
const NONE: c_int = -1;
/// No such node, where -1 is an answer.
const NO_SUCH_NODE: c_int = -2;

/// The node that a driver means; `None`: there is none with this index.
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
    let Some(node) = node_from(node).and_then(|node| numa_topology::get().node(node)) else { return false };
    let value = NumaNodeInfo {
        NodeId: node.domain.0,
        CpuCount: node.cpu_count,
        MemoryBase: node.memory_base,
        MemorySize: node.memory_size,
        IsValid: true,
    };
    pointer::write(info, value).is_some()
}

pub extern "C" fn get_numa_node_for_cpu(cpu: c_int) -> c_int {
    let cpu = u32::try_from(cpu).ok().and_then(|index| cpu_topology::cpu(CpuId(index)));
    node_to_c(cpu.map(|cpu| cpu.node))
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
    let wanted = match (node, node_from(node)) {
        (NONE, _) => None,
        (_, Some(node)) => Some(node),
        (_, None) => return NO_SUCH_NODE,
    };
    node_to_c(MemoryContext::current().set_preferred_node(wanted))
}

pub extern "C" fn get_preferred_numa_node() -> c_int {
    node_to_c(MemoryContext::current().preferred_node())
}

pub unsafe extern "C" fn set_numa_policy(policy: *const NumaPolicy) -> c_int {
    let mut weights = None;
    let Some(policy) = read_policy(policy, &mut weights) else { return NONE };
    MemoryContext::current().set_policy(Some(policy));
    0
}

pub unsafe extern "C" fn get_numa_policy(policy: *mut NumaPolicy) -> c_int {
    let answer = || {
        pointer::check_sized(policy, true)?;
        let asked: NumaPolicy = pointer::read(policy)?;
        let answer = match MemoryContext::current().effective_policy() {
            Policy::Local => NumaPolicy::local(),
            Policy::Preferred(node) => NumaPolicy::preferred(node.index() as i32),
            Policy::Strict(node) => NumaPolicy::strict(node.index() as i32),
            Policy::Set(nodes) => NumaPolicy::set(nodes.words()),
            Policy::Interleave(nodes) => NumaPolicy::interleave(nodes.words()),
            Policy::Weighted(nodes, weights) => {
                write_weights(weights, asked.Weights.cast_mut())?;
                NumaPolicy::weighted(nodes.words(), asked.Weights)
            }
        };
        pointer::write(policy, NumaPolicy { Size: asked.Size, ..answer })
    };
    answer().map_or(NONE, |()| 0)
}

/// The weights of the machine's nodes to where the driver wants them, if it does.
fn write_weights(weights: &NodeWeights, to: *mut u8) -> Option<()> {
    let nodes = numa_topology::get().nodes();
    if to.is_null() {
        return Some(());
    }
    pointer::check_array(to, nodes.len(), true)?;
    nodes.iter().try_for_each(|node| pointer::write(to.wrapping_add(node.id.index()), weights.of(node.id)))
}

/// The policy that a driver describes, its weights in `weights` where it has some; `None`: not understood.
pub fn read_policy(policy: *const NumaPolicy, weights: &mut Option<NodeWeights>) -> Option<Policy<'_>> {
    let policy = pointer::read_sized(policy)?;
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
            let given = pointer::copy::<MAX_NODES>(policy.Weights, numa_topology::get().node_count())?;
            let weights = weights.insert(NodeWeights::from_iter(given));
            let nodes = nodes_from(policy.Nodes)?.intersection(weights.nodes());
            (!nodes.is_empty()).then_some(Policy::Weighted(nodes, weights))
        }
        _ => None,
    }
}

/// Those nodes that a driver means which have memory; `None`: there is none such, or one that the machine does not have.
fn nodes_from(words: [u64; 2]) -> Option<NodeSet> {
    let nodes = NodeSet::from_words(words);
    let count = numa_topology::get().node_count();
    let with_memory = nodes.intersection(frames::nodes_with_memory());
    let all_there = nodes.iter().all(|node| node.index() < count);
    (all_there && !with_memory.is_empty()).then_some(with_memory)
}
