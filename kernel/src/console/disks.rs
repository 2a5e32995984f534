//! The command `disks`: the block devices.
use super::command::Command;
use crate::block;
use core::iter;
use listing::{Cell, Column, Listing};

/// The command.
pub static COMMAND: Command =
    Command::list("disks", "block devices: size, node, queues, driver (like lsblk)", write);

const COLUMNS: [Column; 9] = [
    Column::text("disk"),
    Column::number("size_mib"),
    Column::number("blocks"),
    Column::number("block_size"),
    Column::number("node"),
    Column::number("queues"),
    Column::number("depth"),
    Column::number("max_kib"),
    Column::text("driver"),
];

/// Writes the block devices.
pub fn write(listing: &mut Listing<'_>) {
    listing.table("disks", &COLUMNS, &|next| {
        for disk in iter::successors(block::next(0), |last| block::next(*last)).filter_map(block::describe) {
            next(&[
                Cell::Text(&disk.name),
                Cell::Number(disk.blocks.saturating_mul(disk.block_size.into()) >> 20),
                Cell::Number(disk.blocks),
                Cell::Number(disk.block_size.into()),
                Cell::number(u32::try_from(disk.node).ok()),
                Cell::Number(disk.queues.into()),
                Cell::Number(disk.depth.into()),
                Cell::Number(disk.max_bytes >> 10),
                Cell::text(disk.owner.map(|owner| owner.name())),
            ]);
        }
    });
}
