//! The command `devices`: the functions of PCI as a tree, like `lspci -tv`.
use super::command::Command;
use crate::devices::device_registry::{self, Device};
use core::fmt;
use listing::{Cell, Column, Listing, TreeRow};
use pci::PciAddress;

/// The command.
pub static COMMAND: Command =
    Command::list("devices", "PCI devices below their bridges, with node and driver (like lspci -tv)", write);

const COLUMNS: [Column; 6] = [
    Column::text("address"),
    Column::text("class"),
    Column::text("ids"),
    Column::text("node"),
    Column::text("driver"),
    Column::text("state"),
];

/// Writes the devices.
pub fn write(listing: &mut Listing<'_>) {
    listing.tree("devices", &COLUMNS, &|next| write_below(None, 0, next));
}

/// The most bridges above each other that are shown.
const DEEPEST: usize = 24;

/// Writes the devices below a bridge, or on root buses, each with those below it.
fn write_below(bridge: Option<PciAddress>, depth: usize, next: TreeRow<'_, '_>) {
    if depth > DEEPEST {
        return;
    }
    for device in device_registry::all().iter().filter(|device| device.function.parent == bridge) {
        write_device(device, depth, next);
        write_below(Some(device.function.address), depth + 1, next);
    }
}

/// Writes a device.
pub fn write_device(device: &Device, depth: usize, next: TreeRow<'_, '_>) {
    let function = &device.function;
    let ids = fmt::from_fn(|out| write!(out, "{:04x}:{:04x}", function.vendor, function.device));
    let node = fmt::from_fn(|out| device.node.map_or(Ok(()), |node| write!(out, "node {}", node.node)));
    let driver = device.owner().map(|owner| owner.name());
    let state = device.is_lost().then_some("gone");
    next(
        depth,
        &[
            Cell::Shown(&function.address),
            Cell::Shown(&function.class),
            Cell::Shown(&ids),
            if device.node.is_some() { Cell::Shown(&node) } else { Cell::Missing },
            Cell::text(driver),
            Cell::text(state),
        ],
    );
}
