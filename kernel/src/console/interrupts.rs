//! The command `interrupts`: the interrupts of devices, and those that CPUs send, like `/proc/interrupts`.
use super::command::Command;
use crate::arch::{self, vectors};
use crate::cpu;
use crate::cpu::interrupts::taken;
use crate::devices::device_registry;
use crate::devices::{InterruptDescription, InterruptKind};
use listing::{Cell, Column, Listing};

/// The command.
pub static COMMAND: Command =
    Command::list("interrupts", "interrupts of devices, and of each CPU (like /proc/interrupts)", write);

const COLUMNS: [Column; 9] = [
    Column::text("device"),
    Column::number("index"),
    Column::text("kind"),
    Column::number("cpu"),
    Column::number("vector"),
    Column::number("count"),
    Column::number("unclaimed"),
    Column::number("longest_us"),
    Column::text("driver"),
];

/// What a CPU is interrupted for, beside devices: by its own timer first, then by other CPUs.
const PER_CPU: [(Column, u8); 6] = [
    (Column::number("ticks"), vectors::TIMER),
    (Column::number("wakes"), vectors::WAKE),
    (Column::number("tlb_flushes"), vectors::SHOOTDOWN),
    (Column::number("drains"), vectors::DRAIN),
    (Column::number("barriers"), vectors::BARRIER),
    (Column::number("looks"), vectors::END_THREAD),
];

/// Writes the interrupts that drivers have, and how often each CPU was interrupted otherwise.
pub fn write(listing: &mut Listing<'_>) {
    write_devices(listing);
    let columns: [Column; 1 + PER_CPU.len()] = core::array::from_fn(|index| {
        index.checked_sub(1).map_or(Column::number("cpu"), |kind| PER_CPU[kind].0)
    });
    listing.table("cpus", &columns, &|next| {
        for cpu in cpu::online() {
            let cells: [Cell<'_>; 1 + PER_CPU.len()] =
                core::array::from_fn(|index| match index.checked_sub(1) {
                    None => Cell::Number(cpu.id.0.into()),
                    Some(kind) => Cell::Number(taken(cpu, PER_CPU[kind].1)),
                });
            next(&cells);
        }
    });
}

fn write_devices(listing: &mut Listing<'_>) {
    let us = |ticks: u64| ticks.saturating_mul(1000) / arch::ticks_per_ms().max(1);
    listing.table("interrupts", &COLUMNS, &|next| {
        for device in device_registry::all() {
            let all = (0..device.interrupts.count()).map(|index| (index, device.interrupts.describe(index)));
            for (index, InterruptDescription { kind, place, counts }) in
                all.filter_map(|(index, found)| Some((index, found?)))
            {
                next(&[
                    Cell::Shown(&device.function.address),
                    Cell::count(index),
                    Cell::Text(match kind {
                        InterruptKind::MsiX(..) => "MSI-X",
                        InterruptKind::Msi(_) => "MSI",
                        InterruptKind::Line(_) => "line",
                    }),
                    Cell::number(place.map(|place| place.cpu.id.0)),
                    Cell::number(place.map(|place| place.vector)),
                    Cell::Number(counts.runs),
                    Cell::Number(counts.unclaimed),
                    Cell::Number(us(counts.longest)),
                    Cell::text(device.owner().map(|owner| owner.name())),
                ]);
            }
        }
    });
}
