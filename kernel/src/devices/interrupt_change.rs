//! How a thread begins to change an interrupt: handlers do not touch its mask meanwhile, and its table can be reached.
use super::config_access;
use super::device_registry::Device;
use super::interrupt_lines::LinePlace;
use super::interrupt_registers;
use super::interrupt_state::{Granted, InterruptKind};
use pci::command;

/// Lets a device decode its memory, where the messages of MSI-X are, until the value is dropped. The caller holds `changes` meanwhile.
pub struct MemoryOn<'d> {
    device: &'d Device,
    was_off: bool,
}

impl<'d> MemoryOn<'d> {
    /// Turns the device's memory on if its messages are there.
    pub fn new(device: &'d Device) -> Self {
        let on = command::MEMORY;
        let has_table = device.interrupts.granted.lock().as_ref().is_some_and(Granted::has_table);
        // The table's BAR has an address. The others had one when the driver turned memory on, which it did before.
        let before = if has_table { Self::change(device, on) } else { None };
        Self { device, was_off: before.is_some_and(|before| before & on == 0) }
    }

    fn change(device: &Device, value: u16) -> Option<u16> {
        command::change(config_access::get()?, device.function.address, command::MEMORY, value)
    }
}

impl Drop for MemoryOn<'_> {
    fn drop(&mut self) {
        if self.was_off {
            Self::change(self.device, 0);
        }
    }
}

/// Marks an interrupt as changing, which masks it if its kind can be. Returns its kind and its place, or `None` if it has no handler. The
/// caller holds `changes`, and clears the mark at the end.
pub fn begin(device: &Device, index: usize) -> Option<(InterruptKind, LinePlace)> {
    device
        .interrupts
        .with_slot(index, |kind, slot| {
            let place = slot.place?;
            slot.is_changing = true;
            // A line is masked by whoever moves it.
            if !matches!(kind, InterruptKind::Line(_)) {
                interrupt_registers::set_masked(device, kind, index, true);
            }
            Some((kind, place))
        })
        .flatten()
}
