//! Reads how firmware's tables say that interrupts are delivered, early: the kernel's own page tables do not map firmware's tables.
use super::cpu_topology;
use super::findings::reporter;
use crate::arch;
use acpi_tables::{Finding, IoApicEntry, IsaLine, find_madt, opts_out_of_x2apic};
use arrayvec::ArrayVec;
use spin::Once;

/// The most I/O APICs that the kernel knows. Large servers have some dozens.
pub const MAX_IO_APICS: usize = 128;

/// Some I/O APICs.
type IoApics = ArrayVec<IoApicEntry, MAX_IO_APICS>;

static IO_APICS: Once<IoApics> = Once::new();

/// The interrupts of the ISA bus.
const ISA_INTERRUPTS: usize = 16;

static ISA_LINES: Once<[IsaLine; ISA_INTERRUPTS]> = Once::new();

/// The lowest APIC id that a message in xAPIC mode cannot name.
const FIRST_OF_X2APIC: u32 = 255;

/// Reads the tables, after the topology was built: it has the CPUs. Must run before the first APIC is switched on.
pub fn init(tables: &[&'static [u8]]) {
    let mut findings = reporter();
    if opts_out_of_x2apic(tables.iter().copied(), &mut findings) {
        opt_out_of_x2apic();
    }
    findings.finish();
    IO_APICS.call_once(|| read_io_apics(tables));
    // The topology has reported what is wrong with the table.
    if let Some(madt) = find_madt(tables.iter().copied(), &mut |_: Finding| {}) {
        ISA_LINES.call_once(|| core::array::from_fn(|irq| madt.isa_line(irq as u8)));
    }
}

/// Returns the line that an interrupt of the ISA bus arrives at. `None` without a MADT, and for a number that the bus does not have.
pub fn isa_line(irq: u8) -> Option<IsaLine> {
    ISA_LINES.get()?.get(usize::from(irq)).copied()
}

/// Returns the I/O APICs.
pub fn io_apics() -> &'static [IoApicEntry] {
    IO_APICS.get().map_or(&[], |found| found)
}

/// Keeps the APICs in xAPIC mode if all CPUs can be addressed there.
fn opt_out_of_x2apic() {
    if cpu_topology::cpus().iter().any(|cpu| cpu.apic_id.0 >= FIRST_OF_X2APIC) {
        log::debug!(target: "cpu", "firmware asks for xAPIC mode (DMAR), in which not every CPU can be addressed");
        return;
    }
    if arch::avoid_x2apic() {
        log::info!(target: "cpu", "the APICs stay in xAPIC mode, as firmware asks (DMAR)");
    } else {
        log::debug!(target: "cpu", "firmware asks for xAPIC mode (DMAR), but has left it itself");
    }
}

fn read_io_apics(tables: &[&'static [u8]]) -> IoApics {
    let mut found = IoApics::new();
    // The topology has reported what is wrong with the table.
    let Some(madt) = find_madt(tables.iter().copied(), &mut |_: Finding| {}) else { return found };
    let mut left_out = 0;
    for entry in madt.io_apics() {
        left_out += usize::from(found.try_push(entry).is_err());
    }
    if left_out > 0 {
        log::warn!(target: "interrupts", "there is room for {MAX_IO_APICS} I/O APICs; {left_out} keep firmware's settings");
    }
    found
}
