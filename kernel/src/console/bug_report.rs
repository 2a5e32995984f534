//! The command `report`: one screen with what a bug report needs.
use super::command::Command;
use super::command_output::CommandOutput;
use super::{drivers, findings, nodes};
use crate::arch;
use crate::clock;
use crate::cpu;
use crate::devices::device_registry::{self, Device};
use crate::platform::{command_line, numa_topology, qemu};
use crate::report::verdict;
use core::{fmt, ptr};
use listing::{Cell, Column, Format, Listing};

/// The command.
pub static COMMAND: Command = Command::list("report", "one screen with what a bug report needs", write);

/// The first of the three leaves of CPUID with the CPU's name.
const BRAND: u32 = 0x8000_0002;

/// Writes the report to COM1 and to the screen, as text, for the parameter `report`.
pub fn report() {
    let mut out = CommandOutput::with_screen();
    let mut listing = Listing::new(&mut out, Format::Text, COMMAND.name);
    write(&mut listing);
    listing.end(None);
}

fn write(listing: &mut Listing<'_>) {
    let machine = match (qemu::is_qemu(), arch::has_hypervisor()) {
        (true, _) => "QEMU",
        (false, true) => "another hypervisor",
        (false, false) => "no hypervisor",
    };
    let topology = numa_topology::get();
    let mib = topology.nodes().iter().map(|node| node.memory_mib()).sum();
    listing.field("version", Cell::Text(env!("CARGO_PKG_VERSION")));
    listing.field("checks_itself", Cell::Flag(cfg!(debug_assertions)));
    listing.field("parameters", Cell::Text(command_line::line()));
    listing.field("verdict_so_far", Cell::Text(if verdict::is_well() { "success" } else { "failure" }));
    listing.field("uptime_s", Cell::Number(clock::time_ns() / 1_000_000_000));
    listing.field("machine", Cell::Text(machine));
    listing.field("cpu_name", Cell::Shown(&fmt::from_fn(write_brand)));
    listing.field("cpus_online", Cell::count(cpu::online().count()));
    listing.field("x2apic", Cell::Flag(arch::has_x2apic()));
    listing.field("memory_mib", Cell::Number(mib));
    listing.field("nodes_from", Cell::Text(topology.source().as_str()));
    listing.field("clock", Cell::Text(if clock::is_by_hpet() { "HPET" } else { "time stamp counter" }));
    listing.field("clock_mhz", Cell::Number(arch::ticks_per_ms() / 1000));
    nodes::write(listing);
    drivers::write(listing);
    write_devices(listing);
    findings::write(listing);
}

/// Writes the devices. Those that are alike, of which a large machine has many, have one row.
fn write_devices(listing: &mut Listing<'_>) {
    let all = || device_registry::all().iter().filter(|device| !device.is_kernels());
    let columns = [
        Column::text("device"),
        Column::number("count"),
        Column::text("ids"),
        Column::text("class"),
        Column::text("driver"),
    ];
    listing.table("devices", &columns, &|next| {
        for (index, device) in all().enumerate() {
            if all().take(index).any(|before| is_alike(before, device)) {
                continue;
            }
            let function = &device.function;
            let ids = fmt::from_fn(|out| write!(out, "{:04x}:{:04x}", function.vendor, function.device));
            next(&[
                Cell::Shown(&function.address),
                Cell::count(all().filter(|other| is_alike(other, device)).count()),
                Cell::Shown(&ids),
                Cell::Shown(&function.class),
                Cell::text(device.owner().map(|owner| owner.name())),
            ]);
        }
    });
}

/// Returns true if two devices are of one kind and have the same driver, or none.
fn is_alike(one: &Device, other: &Device) -> bool {
    let kind = |device: &Device| (device.function.vendor, device.function.device, device.function.class);
    let driver = |device: &Device| device.owner().map(ptr::from_ref);
    kind(one) == kind(other) && driver(one) == driver(other)
}

/// Writes the name that the CPU gives itself (Intel SDM vol. 2, CPUID, leaves 80000002h to 80000004h).
fn write_brand(out: &mut fmt::Formatter<'_>) -> fmt::Result {
    for leaf in (BRAND..BRAND + 3).map_while(arch::cpuid) {
        for register in [leaf.eax, leaf.ebx, leaf.ecx, leaf.edx] {
            for byte in register.to_le_bytes().into_iter().filter(|byte| matches!(byte, 0x20..0x7f)) {
                fmt::Write::write_char(out, char::from(byte))?;
            }
        }
    }
    Ok(())
}
