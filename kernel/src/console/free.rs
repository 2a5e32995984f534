//! The command `free`: free memory by the size of its blocks, like `/proc/buddyinfo`.
use super::command::Command;
use super::nodes;
use crate::memory::frames;
use crate::platform::numa_topology;
use listing::{Cell, Column, Listing, Matrix};
use page_alloc::ORDERS;

/// The command.
pub static COMMAND: Command =
    Command::list("free", "free pages, and free blocks of each order (like /proc/buddyinfo)", write);

const COLUMNS: [Column; 6] = [
    Column::number("node"),
    Column::number("pages_total"),
    Column::number("pages_free"),
    Column::number("pages_in_caches"),
    Column::number("pages_used"),
    Column::number("largest_free_order"),
];

/// Writes the free memory of each node.
pub fn write(listing: &mut Listing<'_>) {
    listing.table("memory", &COLUMNS, &|next| {
        for node in numa_topology::get().nodes() {
            let stats = frames::node_stats(node.id);
            next(&[
                Cell::count(node.id.index()),
                Cell::Number(stats.total),
                Cell::Number(stats.free),
                Cell::Number(stats.cached),
                Cell::Number(stats.total.saturating_sub(stats.free)),
                Cell::number(stats.largest_free_order),
            ]);
        }
    });
    let name_order = |order: usize, next: &mut dyn FnMut(Cell<'_>)| next(Cell::count(order));
    let matrix = Matrix {
        rows: numa_topology::get().node_count(),
        columns: ORDERS,
        row_name: &nodes::name_node,
        column_name: &name_order,
        value: &|node, order| Cell::Number(frames::free_by_order(nodes::id_of(node))[order] >> order),
    };
    listing.matrix("free_blocks", ("node", "order"), &matrix);
}
