//! Nodes, CPUs, and the calling thread's node and policy.
use crate::arguments::{can_write, can_write_sized, read_array, read_sized};
use crate::enter;
use crate::placement::{Memory, Policy};
use crate::world::{World, with};
use abi::{
    CpuInfo, NUMA_POLICY_LOCAL, NUMA_POLICY_PREFERRED, NUMA_POLICY_WEIGHTED, NumaNodeInfo,
    NumaNodeStatistics, NumaPolicy,
};
use std::ffi::c_int;

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn Kernel_GetNumaNodeCount() -> c_int {
    with(|world| world.machine.nodes.len() as c_int)
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn Kernel_GetNumaNodeInfo(node: c_int, info: *mut NumaNodeInfo) -> bool {
    let found = with(|world| {
        let index = world.machine.has_node(node)?;
        let spec = world.machine.nodes[index];
        Some(NumaNodeInfo {
            NodeId: index as u32,
            CpuCount: spec.cpus as u32,
            MemoryBase: Memory::base(index),
            MemorySize: spec.pages * 4096,
            IsValid: spec.cpus > 0 || spec.pages > 0,
        })
    });
    let Some(found) = found.filter(|_| can_write(info, 1)) else { return false };
    // SAFETY: the driver may write there.
    unsafe { info.write(found) };
    true
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn Kernel_GetNumaNodeForCpu(cpu: c_int) -> c_int {
    with(|world| world.machine.node_of_cpu(cpu).map_or(-1, |node| node as c_int))
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn Kernel_GetCurrentNumaNode() -> c_int {
    with(|world| world.node_here() as c_int)
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn Kernel_GetNumaDistance(from: c_int, to: c_int) -> c_int {
    with(|world| match (world.machine.has_node(from), world.machine.has_node(to)) {
        (Some(from), Some(to)) => world.machine.distance_of(from, to) as c_int,
        _ => -1,
    })
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn Kernel_GetNumaNodeForAddress(address: u64) -> c_int {
    with(|world| Memory::node_of(&world.machine, address).map_or(-1, |node| node as c_int))
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn Kernel_GetPageNumaNode(page: u64) -> c_int {
    with(|world| Memory::node_of(&world.machine, page).map_or(-1, |node| node as c_int))
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn Kernel_IsNumaAvailable() -> bool {
    with(|world| world.machine.nodes.len() > 1)
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn Kernel_HasNumaDistanceMatrix() -> bool {
    true
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn Kernel_SetPreferredNumaNode(node: c_int) -> c_int {
    if !enter::thread("Kernel_SetPreferredNumaNode") {
        return -2;
    }
    with(|world| {
        if node != -1 && world.machine.has_node(node).is_none() {
            return -2;
        }
        std::mem::replace(&mut world.contexts.here_mut().preferred, node)
    })
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn Kernel_GetPreferredNumaNode() -> c_int {
    if !enter::thread("Kernel_GetPreferredNumaNode") {
        return -1;
    }
    with(|world| world.contexts.here().preferred)
}

/// Reads a policy that a driver passes. Returns `None` if the kernel refuses it.
pub(super) fn read_policy(world: &World, policy: *const NumaPolicy) -> Option<Policy> {
    let given = read_sized(policy)?;
    Policy::new(&world.machine, &given, || read_array(given.Weights, world.machine.nodes.len()))
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn Kernel_SetNumaPolicy(policy: *const NumaPolicy) -> c_int {
    if !enter::thread("Kernel_SetNumaPolicy") {
        return -1;
    }
    with(|world| {
        let Some(policy) = read_policy(world, policy) else { return -1 };
        world.contexts.here_mut().policy = Some(policy);
        0
    })
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn Kernel_GetNumaPolicy(policy: *mut NumaPolicy) -> c_int {
    if !enter::thread("Kernel_GetNumaPolicy") || !can_write_sized(policy) {
        return -1;
    }
    let (known, preferred) = with(|world| {
        let here = world.contexts.here();
        (here.policy.clone(), here.preferred)
    });
    // SAFETY: the structure is there, and the driver may have it written.
    let to = unsafe { &mut *policy };
    let weights = to.Weights.cast_mut();
    let mut nodes = [0; 2];
    let Some(known) = known else {
        let kind = if preferred >= 0 { NUMA_POLICY_PREFERRED } else { NUMA_POLICY_LOCAL };
        (to.Kind, to.Node, to.Reserved) = (kind, preferred.max(0), 0);
        (to.Nodes, to.Weights) = (nodes, std::ptr::null());
        return 0;
    };
    for node in &known.nodes {
        nodes[node / 64] |= 1 << (node % 64);
    }
    if known.kind == NUMA_POLICY_WEIGHTED && !weights.is_null() {
        if !can_write(weights, known.weights.len()) {
            return -1;
        }
        // SAFETY: the driver may have so many bytes written.
        unsafe { weights.copy_from(known.weights.as_ptr(), known.weights.len()) };
    } else {
        to.Weights = std::ptr::null();
    }
    (to.Kind, to.Node, to.Reserved, to.Nodes) = (known.kind, known.node as i32, 0, nodes);
    0
}

/// The mock does not count where pages were wanted from: all but the first four numbers are 0.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn Kernel_GetNumaNodeStatistics(
    node: c_int,
    statistics: *mut NumaNodeStatistics,
) -> bool {
    if !enter::thread("Kernel_GetNumaNodeStatistics") || !can_write_sized(statistics) {
        return false;
    }
    let found = with(|world| {
        let index = world.machine.has_node(node)?;
        let (total, free) =
            (world.machine.nodes[index].pages, world.memory.free_pages(&world.machine, index));
        let largest = free.checked_ilog2().map_or(0, |order| 1 << order.min(18));
        Some((total, free, largest))
    });
    let Some((total, free, largest)) = found else { return false };
    // SAFETY: the structure is there, and the driver may have it written.
    let to = unsafe { &mut *statistics };
    *to = NumaNodeStatistics {
        Size: to.Size,
        Total: total,
        Managed: total,
        Free: free,
        LargestFree: largest,
        ..NumaNodeStatistics::default()
    };
    true
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn Kernel_GetCpuCount() -> c_int {
    with(|world| world.machine.cpu_count() as c_int)
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn Kernel_GetCurrentCpu() -> c_int {
    with(|world| world.contexts.here().cpu as c_int)
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn Kernel_GetCpuInfo(cpu: c_int, info: *mut CpuInfo) -> bool {
    let node = with(|world| world.machine.node_of_cpu(cpu));
    let Some(node) = node.filter(|_| can_write(info, 1)) else { return false };
    let found = CpuInfo {
        CpuIndex: cpu as u32,
        ApicId: 2 * cpu as u32,
        AcpiProcessorId: cpu as u8,
        NumaNode: node as u32,
        IsBsp: cpu == 0,
        IsOnline: true,
        IsEnabled: true,
    };
    // SAFETY: the driver may write there.
    unsafe { info.write(found) };
    true
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn Kernel_IsCpuOnline(cpu: c_int) -> bool {
    with(|world| world.machine.node_of_cpu(cpu).is_some())
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn Kernel_GetBspIndex() -> c_int {
    0
}
