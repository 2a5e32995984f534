//! Masks and unmasks a device's interrupts for its driver. It takes the lock of the interrupts' state alone, so that handlers may do it.
use super::device_registry::{self, Device};
use super::interrupt_registers;
use super::interrupt_state::{InterruptKind, InterruptSlot};
use crate::threads::owner::Owner;
use core::sync::atomic::Ordering;

/// Masks or unmasks an interrupt. Returns false, and changes nothing, if the driver does not own the device, if the interrupt has no
/// handler, or if it cannot be masked, as a message of MSI-X while the device decodes no memory. Any code may call this.
pub fn set_masked(device: &Device, owner: &'static Owner, index: usize, masked: bool) -> bool {
    let set = |kind, slot: &mut InterruptSlot| {
        // Under the lock: whoever takes the device from its driver takes the interrupts under this lock, too.
        let is_set = device.is_of(owner)
            && slot.place.is_some()
            && can_be_masked(device, kind, slot)
            // Whoever changes the interrupt does afterwards what the driver asks here.
            && (slot.is_changing || set_in_device(device, owner, kind, index, masked));
        if is_set {
            slot.is_masked = masked;
        }
        is_set
    };
    device.interrupts.with_slot(index, set).unwrap_or(false)
}

/// Keeps all interrupt handlers of a driver that has failed from being called, and masks the interrupts as far as they can be masked. Any
/// code may call this.
pub fn silence_all_of(owner: &'static Owner) {
    for device in device_registry::all().iter().filter(|device| device.is_of(owner)) {
        for index in 0..device.interrupts.count() {
            device.interrupts.silence(index);
            set_masked(device, owner, index, true);
        }
    }
}

fn can_be_masked(device: &Device, kind: InterruptKind, slot: &InterruptSlot) -> bool {
    match kind {
        InterruptKind::Msi(msi) => msi.has_masks,
        // The mask is in the table.
        InterruptKind::MsiX(..) => slot.is_changing || device.decodes_memory.load(Ordering::Relaxed),
        InterruptKind::Line(_) => true,
    }
}

fn set_in_device(
    device: &Device,
    owner: &'static Owner,
    kind: InterruptKind,
    index: usize,
    masked: bool,
) -> bool {
    match kind {
        // Another CPU may be writing the command register on the driver's behalf.
        InterruptKind::Line(_) => device
            .with_config(owner, |config| interrupt_registers::set_pin_off(config, device, masked))
            .unwrap_or(false),
        _ => interrupt_registers::set_masked(device, kind, index, masked),
    }
}
