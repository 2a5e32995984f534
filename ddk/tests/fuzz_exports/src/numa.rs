//! Nodes, CPUs, distances, and the thread's preferred node and policy.
use crate::addresses::{unreadable, unwritable};
use crate::pages::policy_of;
use crate::worker::{Worker, check};
use core::mem::MaybeUninit;
use driver_kit::abi::{
    self, CpuInfo, NUMA_POLICY_INTERLEAVE, NUMA_POLICY_LOCAL, NUMA_POLICY_PREFERRED, NUMA_POLICY_SET,
    NUMA_POLICY_STRICT, NUMA_POLICY_WEIGHTED, NumaNodeInfo, NumaPolicy,
};

pub fn step(worker: &mut Worker) {
    match worker.random.below(6) {
        0 => queries(worker),
        1 => refused_queries(worker),
        2 => preferred_node(worker),
        3 | 4 => policy(worker),
        _ => refused_policy(worker),
    }
}

fn any_node(worker: &mut Worker) -> i32 {
    worker.random.below(crate::nodes() as u64) as i32
}

fn queries(worker: &mut Worker) {
    let (node, other) = (any_node(worker), any_node(worker));
    let cpu = worker.random.index(crate::cpus()) as i32;
    let mut info = MaybeUninit::<NumaNodeInfo>::zeroed();
    let mut cpu_info = MaybeUninit::<CpuInfo>::zeroed();
    worker.count(12);
    // SAFETY: the functions take any numbers, and the structures are local variables. Zeros are valid ones.
    unsafe {
        check!(worker, abi::Kernel_GetNumaNodeInfo(node, info.as_mut_ptr()));
        check!(worker, info.assume_init().IsValid);
        check!(worker, abi::Kernel_GetNumaDistance(node, node) == 10);
        check!(worker, (10..255).contains(&abi::Kernel_GetNumaDistance(node, other)));
        check!(worker, abi::Kernel_IsNumaAvailable() == (crate::nodes() > 1));
        check!(worker, abi::Kernel_GetCpuInfo(cpu, cpu_info.as_mut_ptr()));
        let cpu_info = cpu_info.assume_init();
        check!(worker, cpu_info.CpuIndex == cpu as u32 && cpu_info.IsOnline);
        check!(worker, abi::Kernel_GetNumaNodeForCpu(cpu) == cpu_info.NumaNode as i32);
        check!(worker, cpu_info.IsBsp == (abi::Kernel_GetBspIndex() == cpu));
        check!(worker, abi::Kernel_IsCpuOnline(cpu));
        // The worker never leaves its CPU.
        let own = abi::Kernel_GetCurrentCpu();
        check!(worker, own as usize == worker.number);
        check!(worker, abi::Kernel_GetCurrentNumaNode() == abi::Kernel_GetNumaNodeForCpu(own));
    }
}

fn refused_queries(worker: &mut Worker) {
    let (nodes, cpus) = (crate::nodes(), crate::cpus() as i32);
    let (node, cpu) = (worker.random.no_index(nodes), worker.random.no_index(cpus));
    let mut info = MaybeUninit::<NumaNodeInfo>::zeroed();
    let mut cpu_info = MaybeUninit::<CpuInfo>::zeroed();
    worker.count(9);
    // SAFETY: the functions take any numbers, and follow no pointer that they refuse.
    unsafe {
        check!(worker, !abi::Kernel_GetNumaNodeInfo(node, info.as_mut_ptr()));
        check!(worker, !abi::Kernel_GetNumaNodeInfo(0, unwritable(&mut worker.random, &mut info).cast()));
        check!(worker, !info.assume_init().IsValid);
        check!(worker, abi::Kernel_GetNumaDistance(node, 0) == -1);
        check!(worker, abi::Kernel_GetNumaDistance(0, node) == -1);
        check!(worker, !abi::Kernel_GetCpuInfo(cpu, cpu_info.as_mut_ptr()));
        check!(worker, !abi::Kernel_GetCpuInfo(0, unwritable(&mut worker.random, &mut cpu_info).cast()));
        check!(worker, !abi::Kernel_IsCpuOnline(cpu));
        check!(worker, abi::Kernel_GetNumaNodeForCpu(cpu) == -1);
        check!(worker, abi::Kernel_SetPreferredNumaNode(if node == -1 { -2 } else { node }) == -2);
    }
}

fn preferred_node(worker: &mut Worker) {
    let node = any_node(worker);
    worker.count(4);
    // SAFETY: the functions take any numbers.
    unsafe {
        check!(worker, abi::Kernel_SetPreferredNumaNode(node) >= -1);
        check!(worker, abi::Kernel_GetPreferredNumaNode() == node);
        if worker.random.once_in(2) {
            check!(worker, abi::Kernel_SetPreferredNumaNode(-1) == node);
            check!(worker, abi::Kernel_GetPreferredNumaNode() == -1);
        }
    }
}

/// Returns a policy with nodes that exist.
pub fn any_policy(worker: &mut Worker) -> NumaPolicy {
    let node = any_node(worker);
    let mask = worker.random.below((1u128 << crate::nodes().min(63)) as u64 - 1) + 1;
    let kinds = [
        NUMA_POLICY_LOCAL,
        NUMA_POLICY_PREFERRED,
        NUMA_POLICY_STRICT,
        NUMA_POLICY_SET,
        NUMA_POLICY_INTERLEAVE,
    ];
    match worker.random.pick(&kinds) {
        kind @ (NUMA_POLICY_SET | NUMA_POLICY_INTERLEAVE) => policy_of(kind, 0, [mask, 0]),
        NUMA_POLICY_LOCAL => policy_of(NUMA_POLICY_LOCAL, 0, [0; 2]),
        kind => policy_of(kind, node, [0; 2]),
    }
}

/// Returns a policy with one field that is wrong.
pub fn bad_policy(worker: &mut Worker) -> NumaPolicy {
    let mut policy = any_policy(worker);
    let nodes = crate::nodes();
    let random = &mut worker.random;
    match random.below(6) {
        0 => policy.Size = random.below(u64::from(policy.Size)) as u32,
        1 => policy.Kind = 6 + random.below(1000) as u32,
        2 => policy.Reserved = 1 << random.below(32),
        3 => policy = policy_of(NUMA_POLICY_STRICT, random.no_index(nodes), [0; 2]),
        4 => policy = policy_of(NUMA_POLICY_SET, 0, [0, 1 << 63]),
        _ => policy = policy_of(NUMA_POLICY_WEIGHTED, 0, [1, 0]),
    }
    policy
}

fn policy(worker: &mut Worker) {
    let policy = any_policy(worker);
    let mut read = policy_of(77, 77, [77; 2]);
    worker.count(2);
    // SAFETY: both are local variables.
    unsafe {
        if abi::Kernel_SetNumaPolicy(&policy) == 0 {
            check!(worker, abi::Kernel_GetNumaPolicy(&mut read) == 0);
            check!(worker, read.Kind == policy.Kind && read.Node == policy.Node && read.Weights.is_null());
            check!(worker, read.Nodes[0] & !policy.Nodes[0] == 0 && read.Nodes[1] == 0);
        }
    }
}

fn refused_policy(worker: &mut Worker) {
    let bad = bad_policy(worker);
    let (mut before, mut after) = (policy_of(0, 0, [0; 2]), policy_of(0, 0, [0; 2]));
    worker.count(5);
    // SAFETY: these are local variables, and refused pointers are not followed.
    unsafe {
        check!(worker, abi::Kernel_GetNumaPolicy(&mut before) == 0);
        check!(worker, abi::Kernel_SetNumaPolicy(&bad) == -1);
        check!(worker, abi::Kernel_SetNumaPolicy(unreadable(&mut worker.random, &bad)) == -1);
        check!(worker, abi::Kernel_GetNumaPolicy(unwritable(&mut worker.random, &mut after)) == -1);
        check!(worker, abi::Kernel_GetNumaPolicy(&mut after) == 0);
    }
    check!(worker, before == after);
}
