//! Which CPUs handle a device's interrupts.
use crate::arch;
use crate::cpu::{self, Cpu};
use crate::platform::numa_topology;
use alloc::vec::Vec;
use units::{CpuId, NodeId};

/// Returns the distance of a node from a device's, with what tells two nodes of one distance apart: the number of steps to the
/// node, which wraps around. All nodes are equally far from a device whose node is not known.
fn distance(device: Option<NodeId>, node: NodeId) -> (u8, usize) {
    let Some(device) = device else { return (0, 0) };
    let topology = numa_topology::get();
    let steps = (node.index() + topology.node_count() - device.index()) % topology.node_count();
    (if steps == 0 { 0 } else { topology.distance(device, node).unwrap_or(u8::MAX) }, steps)
}

/// Returns true if a device's message, or an I/O APIC, can name the CPU.
fn is_reachable(cpu: &Cpu) -> bool {
    arch::message_to(cpu.apic, 0).is_some()
}

/// Returns the CPUs that handle the interrupts of a device of this node, in the order of the interrupts: the online CPUs of the node, or
/// of the nearest node that has any. Returns `None` if there is no memory.
pub fn of_device(node: Option<NodeId>) -> Option<Vec<&'static Cpu>> {
    let cpus = || cpu::online().filter(|cpu| is_reachable(cpu)).map(|cpu| (cpu, distance(node, cpu.node)));
    let mut found = Vec::new();
    for cpu in device_interrupts::by_nearness(cpus(), 0) {
        found.try_reserve(1).ok()?;
        found.push(cpu);
    }
    Some(found)
}

/// Returns the CPU with this index, if it is online and a device can interrupt it.
pub fn by_index(index: u32) -> Option<&'static Cpu> {
    cpu::get(CpuId(index)).filter(|cpu| cpu.is_online() && is_reachable(cpu))
}
