//! The command `tree`: the machine as a tree of nodes, CPUs and devices, like the text of `lstopo`.
use super::command::Command;
use crate::cpu;
use crate::devices::device_registry;
use crate::platform::numa_topology;
use core::fmt;
use listing::{Cell, Column, Listing, TreeRow};
use units::NodeId;

/// The command.
pub static COMMAND: Command =
    Command::list("tree", "the machine as a tree: nodes, their CPUs and devices (like lstopo)", write);

const COLUMNS: [Column; 4] =
    [Column::text("what"), Column::text("name"), Column::text("detail"), Column::text("driver")];

/// Writes the tree.
pub fn write(listing: &mut Listing<'_>) {
    let topology = numa_topology::get();
    listing.tree("tree", &COLUMNS, &|next| {
        let mib: u64 = topology.nodes().iter().map(|node| node.memory_mib()).sum();
        let memory = fmt::from_fn(|out| write!(out, "{mib} MiB"));
        next(0, &[Cell::Text("Machine"), Cell::Missing, Cell::Shown(&memory), Cell::Missing]);
        for node in topology.nodes() {
            let memory = fmt::from_fn(|out| write!(out, "{} MiB", node.memory_mib()));
            next(1, &[Cell::Text("Node"), Cell::Shown(&node.id), Cell::Shown(&memory), Cell::Missing]);
            for cpu in cpu::all().filter(|cpu| cpu.node == node.id) {
                let apic = fmt::from_fn(|out| write!(out, "APIC {}", cpu.apic));
                next(2, &[Cell::Text("CPU"), Cell::Shown(&cpu.id), Cell::Shown(&apic), Cell::Missing]);
            }
            write_devices(Some(node.id), 2, next);
        }
        write_devices(None, 1, next);
    });
}

/// Writes the devices of a node, or those whose node is not known. Bridges are left out.
fn write_devices(node: Option<NodeId>, depth: usize, next: TreeRow<'_, '_>) {
    let is_of = |of: Option<device_nodes::DeviceNode>| of.map(|of| of.node) == node;
    for device in device_registry::all().iter().filter(|device| !device.is_kernels() && is_of(device.node)) {
        next(
            depth,
            &[
                Cell::Text("PCI"),
                Cell::Shown(&device.function.address),
                Cell::Shown(&device.function.class),
                Cell::text(device.owner().map(|owner| owner.name())),
            ],
        );
    }
}
