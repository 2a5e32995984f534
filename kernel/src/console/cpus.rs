//! The command `cpus`: the CPUs.
use super::command::Command;
use crate::cpu;
use crate::threads::cpu_threads;
use listing::{Cell, Column, Listing};

/// The command.
pub static COMMAND: Command =
    Command::list("cpus", "CPUs: APIC id, node, whether they are online and busy", write);

const COLUMNS: [Column; 5] = [
    Column::number("cpu"),
    Column::number("apic"),
    Column::number("node"),
    Column::text("state"),
    Column::number("waiting_threads"),
];

/// Writes the CPUs.
pub fn write(listing: &mut Listing<'_>) {
    listing.table("cpus", &COLUMNS, &|next| {
        for cpu in cpu::all() {
            let threads = cpu_threads::of(cpu);
            let state = match (cpu.is_online(), cpu.is_online() && threads.is_idling()) {
                (false, _) => "offline",
                (true, true) => "idle",
                (true, false) => "busy",
            };
            next(&[
                Cell::Number(u64::from(cpu.id.0)),
                Cell::Number(u64::from(cpu.apic.0)),
                Cell::count(cpu.node.index()),
                Cell::Text(state),
                Cell::count(threads.queue.queued() as usize),
            ]);
        }
    });
}
