//! The controllers that deliver the interrupts of devices' lines: the 8259s, which stay silent, and the I/O APICs.
use crate::arch::{self, IO_APIC_SIZE, IoApic, LineTrigger};
use crate::memory::device_memory;
use crate::platform::interrupt_tables::{self, MAX_IO_APICS};
use crate::sync::{Rank, SpinLock};
use arrayvec::ArrayVec;
use units::{ApicId, PhysAddr, PhysRange};

/// An I/O APIC, and the global number of its first line.
struct Numbered {
    first: u32,
    io_apic: IoApic,
}

static IO_APICS: SpinLock<ArrayVec<Numbered, MAX_IO_APICS>> =
    SpinLock::new(Rank::IoApics, ArrayVec::new_const());

/// Masks every line of the two 8259s, if the machine has them, and of all I/O APICs: firmware has set them up for itself. The boot
/// calls this before interrupts are on, once devices can be mapped.
pub fn silence() {
    arch::silence_legacy_interrupts();
    for entry in interrupt_tables::io_apics() {
        let address = entry.address;
        match find(address) {
            Some(io_apic) => {
                log::debug!(target: "interrupts", "the I/O APIC at {address} has {} lines, all masked", io_apic.lines());
                let numbered = Numbered { first: entry.first_interrupt, io_apic };
                // There is room for as many as the tables give.
                let _ = IO_APICS.lock().try_push(numbered);
            }
            None => log::warn!(
                target: "interrupts",
                "there is no I/O APIC at {address}, where the MADT places one; it is left alone"
            ),
        }
    }
}

fn find(address: PhysAddr) -> Option<IoApic> {
    let end = address.0.checked_add(IO_APIC_SIZE)?;
    let registers = device_memory::map_device(PhysRange::new(address.0, end))?;
    // SAFETY: `map_device` has mapped the bytes for good, uncached, and has checked that they are not RAM. Only this I/O APIC uses that
    // mapping. The MADT says that an I/O APIC is there.
    unsafe { IoApic::find(registers) }
}

/// Calls `work` with the I/O APIC that has the line with this global number, and its own number for it.
fn with<T>(line: u32, work: impl FnOnce(&mut IoApic, u32) -> T) -> Option<T> {
    let mut all = IO_APICS.lock();
    let has = |numbered: &&mut Numbered| {
        line.checked_sub(numbered.first).is_some_and(|own| own < numbered.io_apic.lines())
    };
    let found = all.iter_mut().find(has)?;
    Some(work(&mut found.io_apic, line - found.first))
}

/// Returns true if an I/O APIC has the line with this global number.
pub fn has(line: u32) -> bool {
    with(line, |_, _| ()).is_some()
}

/// Leads a masked line to a CPU. It stays masked. Returns false if that cannot be.
pub fn route(line: u32, trigger: LineTrigger, to: ApicId, vector: u8) -> bool {
    with(line, |io_apic, own| io_apic.route(own, trigger, to, vector)).unwrap_or(false)
}

/// Leads a masked line to a CPU, as non-maskable interrupts. It stays masked. Returns false if that cannot be.
pub fn route_non_maskable(line: u32, to: ApicId) -> bool {
    with(line, |io_apic, own| io_apic.route_non_maskable(own, to)).unwrap_or(false)
}

/// Masks or unmasks a line.
pub fn set_masked(line: u32, masked: bool) {
    with(line, |io_apic, own| io_apic.set_masked(own, masked));
}

/// Returns true if a CPU has the line's interrupt and has not ended it.
pub fn is_in_service(line: u32) -> bool {
    with(line, IoApic::is_in_service).unwrap_or(false)
}
