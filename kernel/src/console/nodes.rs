//! The command `nodes`: the nodes, like `numactl --hardware`.
use super::command::Command;
use crate::memory::frames;
use crate::platform::numa_topology;
use core::fmt;
use listing::{Cell, Column, Listing, Matrix};
use units::NodeId;

/// The command.
pub static COMMAND: Command =
    Command::list("nodes", "NUMA nodes: CPUs, memory, distances (like numactl --hardware)", write);

/// Bytes of a MiB in frames.
const FRAMES_PER_MIB: u64 = 256;

const COLUMNS: [Column; 6] = [
    Column::number("node"),
    Column::number("domain"),
    Column::number("size_mib"),
    Column::number("free_mib"),
    Column::number("free_pages"),
    Column::text("cpus"),
];

/// Writes the nodes and their distances.
pub fn write(listing: &mut Listing<'_>) {
    let topology = numa_topology::get();
    listing.table("nodes", &COLUMNS, &|next| {
        for node in topology.nodes() {
            let free = frames::node_stats(node.id).free;
            let cpus = topology.cpu_list(node.id);
            let cpus =
                fmt::from_fn(
                    |out| if node.cpu_count == 0 { out.write_str("none") } else { write!(out, "{cpus}") },
                );
            next(&[
                Cell::count(node.id.index()),
                Cell::Number(u64::from(node.domain.0)),
                Cell::Number(node.memory_mib()),
                Cell::Number(free / FRAMES_PER_MIB),
                Cell::Number(free),
                Cell::Shown(&cpus),
            ]);
        }
    });
    write_distances(listing);
}

/// Writes the matrix of distances.
pub fn write_distances(listing: &mut Listing<'_>) {
    let topology = numa_topology::get();
    let matrix = Matrix {
        rows: topology.node_count(),
        columns: topology.node_count(),
        row_name: &name_node,
        column_name: &name_node,
        value: &|from, to| Cell::number(topology.distance(id_of(from), id_of(to))),
    };
    listing.matrix("distances", ("from", "to"), &matrix);
}

/// Returns the id of the node with this index, which the machine has.
pub fn id_of(index: usize) -> NodeId {
    NodeId::new(index).unwrap_or_default()
}

/// Names a row or a column by the node with this index.
pub fn name_node(index: usize, next: &mut dyn FnMut(Cell<'_>)) {
    next(Cell::count(index));
}
