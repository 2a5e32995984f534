//! Writes what a device's own registers say about its interrupts: which kind it raises, where its messages go, and its masks.
use super::config_access;
use super::device_registry::Device;
use super::interrupt_lines::LinePlace;
use super::interrupt_state::InterruptKind;
use crate::arch::{self, InterruptMessage};
use pci::{ConfigSpace, MsiXState, command};

/// Turns off what raises interrupts of a device that nobody has allocated: lines may be shared, and a driver of another device must not
/// see this one's. The boot calls this once for each device that a driver may own.
pub fn silence(device: &Device) {
    if let Some(config) = config_access::get() {
        turn_off(config, device);
    }
}

/// Turns off all kinds of interrupts of a device.
pub fn turn_off(config: &impl ConfigSpace, device: &Device) {
    let function = &device.function;
    if let Some(msi_x) = function.msi_x {
        msi_x.set_state(config, function.address, MsiXState::Off);
    }
    if let Some(msi) = function.msi {
        msi.set_on(config, function.address, false);
    }
    set_pin_off(config, device, true);
}

/// Brings the device to the state in which it has this kind of interrupts, all of them masked or without a message. Returns false if the
/// device does not keep that; all of its kinds are off then.
pub fn turn_on(config: &impl ConfigSpace, device: &Device, kind: InterruptKind) -> bool {
    turn_off(config, device);
    let InterruptKind::MsiX(msi_x, table) = kind else { return true };
    let address = device.function.address;
    let is_kept = msi_x.set_state(config, address, MsiXState::Masked) && {
        table.mask_all();
        table.set_masked(0, true) && msi_x.set_state(config, address, MsiXState::On)
    };
    if !is_kept {
        turn_off(config, device);
    }
    is_kept
}

/// Keeps the device from pulling its line, or lets it. Returns false if the device does not keep that: it is older than PCI 2.3.
pub fn set_pin_off(config: &impl ConfigSpace, device: &Device, off: bool) -> bool {
    let set = if off { command::NO_PIN } else { 0 };
    let address = device.function.address;
    command::change(config, address, command::NO_PIN, set).is_some()
        && command::change(config, address, 0, 0).is_some_and(|command| command & command::NO_PIN == set)
}

/// Leads an interrupt to its place, and unmasks it. Returns false if the device does not keep that.
pub fn send_to(device: &Device, kind: InterruptKind, index: usize, place: LinePlace) -> bool {
    let Some(config) = config_access::get() else { return false };
    if let InterruptKind::Line(_) = kind {
        // A device without that bit pulls its line anyway.
        set_pin_off(config, device, false);
        return true;
    }
    let Some(message) = arch::message_to(place.cpu.apic, place.vector) else { return false };
    let is_unmasked = || match kind {
        InterruptKind::Msi(msi) if !msi.has_masks => true,
        _ => set_masked(device, kind, index, false),
    };
    let is_on = || match kind {
        InterruptKind::Msi(msi) => msi.set_on(config, device.function.address, true),
        _ => true,
    };
    write_message(device, kind, index, message) && is_unmasked() && is_on()
}

/// Writes the message of an interrupt that is masked or off. Returns false if the device does not keep it, as far as that can be read.
pub fn write_message(device: &Device, kind: InterruptKind, index: usize, message: InterruptMessage) -> bool {
    let Some(config) = config_access::get() else { return false };
    let address = device.function.address;
    match kind {
        InterruptKind::MsiX(_, table) => table.set_message(index as u16, message),
        InterruptKind::Msi(msi) => {
            msi.set_address(config, address, message.address);
            msi.set_data(config, address, message.data as u16);
            true
        }
        InterruptKind::Line(_) => true,
    }
}

/// Masks or unmasks an interrupt in the device. Returns false if the device does not keep that, or has no mask.
pub fn set_masked(device: &Device, kind: InterruptKind, index: usize, masked: bool) -> bool {
    let Some(config) = config_access::get() else { return false };
    match kind {
        InterruptKind::MsiX(_, table) => table.set_masked(index as u16, masked),
        InterruptKind::Msi(msi) => msi.set_masked(config, device.function.address, masked),
        InterruptKind::Line(_) => set_pin_off(config, device, masked),
    }
}
