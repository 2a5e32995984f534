//! Silences the controllers that deliver interrupts of devices, which firmware has set up for itself.
use crate::arch::{self, IO_APIC_SIZE};
use crate::memory::device_memory;
use crate::platform::interrupt_tables;
use units::{PhysAddr, PhysRange};

/// Masks every line of the two 8259s, if the machine has them, and of all I/O APICs. The boot calls this before interrupts are
/// on, once devices can be mapped.
pub fn silence() {
    arch::silence_legacy_interrupts();
    for &address in interrupt_tables::io_apics() {
        match mask(address) {
            Some(lines) => {
                log::debug!(target: "interrupts", "the I/O APIC at {address} has {lines} lines, all masked")
            }
            None => log::warn!(
                target: "interrupts",
                "there is no I/O APIC at {address}, where the MADT places one; it is left alone"
            ),
        }
    }
}

fn mask(address: PhysAddr) -> Option<u32> {
    let end = address.0.checked_add(IO_APIC_SIZE)?;
    let registers = device_memory::map_device(PhysRange::new(address.0, end))?;
    // SAFETY: `map_device` has mapped the bytes, uncached, and has checked that they are not RAM. Only this function uses that
    // mapping. The MADT says that an I/O APIC is there.
    unsafe { arch::mask_io_apic(registers) }
}
