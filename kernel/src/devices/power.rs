//! What devices may do: decode their BARs, master the bus; and their reset.
use super::device_registry::{self, Device};
use super::{config_access, interrupt_registers, interrupt_reset};
use crate::threads::owner::Owner;
use crate::threads::sleep;
use core::sync::atomic::Ordering;
use pci::{Bar, command};

/// Turns off the bus mastering that firmware has left on: from here on no device accesses memory unless its driver asks for that.
/// Bridges stay as they are, because devices behind them need them, and so do other parts of the machine itself
/// ([`pci::Class::is_part_of_machine`]).
pub fn stop_bus_mastering() {
    let Some(config) = config_access::get() else { return };
    for device in device_registry::all() {
        let function = &device.function;
        if device.is_kernels() || function.class.is_part_of_machine() {
            continue;
        }
        interrupt_registers::silence(device);
        let before = command::change(config, function.address, command::BUS_MASTER, 0);
        if before.is_some_and(|before| before & command::BUS_MASTER != 0) {
            log::debug!(target: "devices", "{} mastered the bus; it does not any more", function.address);
        }
    }
}

/// Turns a device's bus mastering off. On return, what it has written before is in memory. The caller holds `changes`.
pub fn stop_bus_mastering_of(device: &Device) {
    if let Some(config) = config_access::get() {
        command::change(config, device.function.address, command::BUS_MASTER, 0);
        // The answer to a read comes behind all that the device has written (PCI Express 6.0 §2.4.1).
        command::change(config, device.function.address, 0, 0);
    }
}

/// Lets a device do what is in `what`, bits of the command register, and nothing else. The bridges above it pass that on from then on, also
/// if firmware has left them off. Returns false, and changes nothing of the device, if the driver does not own it, if it or a bridge above
/// it is gone, or if a BAR that would be decoded has no address.
pub fn enable(device: &Device, owner: &'static Owner, what: u16) -> bool {
    let _changes = device.changes.lock();
    let would_decode = |bar: &Bar| what & if bar.is_memory() { command::MEMORY } else { command::IO } != 0;
    if device.function.bars.iter().flatten().any(|bar| bar.address == 0 && would_decode(bar)) {
        return false;
    }
    let is_there = |config: &_| command::change(config, device.function.address, 0, 0).is_some();
    if !device.with_config(owner, is_there).unwrap_or(false) || !forward_to(device, what) {
        return false;
    }
    let mask = command::IO | command::MEMORY | command::BUS_MASTER;
    let change = |config: &_| command::change(config, device.function.address, mask, what).is_some();
    let is_changed = device.with_config(owner, change).unwrap_or(false);
    if is_changed {
        device.decodes_memory.store(what & command::MEMORY != 0, Ordering::Relaxed);
    }
    is_changed
}

/// Has the bridges above a device pass on what is in `what`. They are never told to stop: other devices may be behind them. Returns false if
/// one of them does not answer.
fn forward_to(device: &Device, what: u16) -> bool {
    let mut above = device.function.parent;
    // The scan follows no bridge to a bus with a lower number than its own, so this ends at a root bus.
    while let Some(bridge) = above.and_then(device_registry::at) {
        let address = bridge.function.address;
        if bridge.with_kernels_config(|config| pci::forward(config, address, what)) == Some(false) {
            return false;
        }
        above = bridge.function.parent;
    }
    true
}

/// Resets a device. Returns false if the driver does not own it, if it has no reset, or if it does not answer afterwards. Waits for some
/// hundred milliseconds.
pub fn reset(device: &Device, owner: &'static Owner) -> bool {
    let _changes = device.changes.lock();
    device.is_of(owner) && reset_locked(device)
}

/// Resets a device. The caller holds `changes`, and nobody else uses the device. Returns what [`reset`] does.
pub fn reset_locked(device: &Device) -> bool {
    let Some(config) = config_access::get() else { return false };
    let mut wait_ms = |time_ms: u32| sleep::sleep_ns(u64::from(time_ms) * 1_000_000);
    interrupt_reset::begin(device);
    let outcome = pci::reset(config, &device.function, &mut wait_ms);
    if outcome != Err(pci::ResetError::Unsupported) {
        device.decodes_memory.store(false, Ordering::Relaxed);
    }
    interrupt_reset::end(device, outcome.is_ok());
    if let Err(pci::ResetError::NotReady) = outcome {
        log::warn!(target: "devices", "{} does not answer after its reset", device.function.address);
    }
    outcome.is_ok()
}
