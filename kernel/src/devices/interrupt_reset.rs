//! What becomes of a device's interrupts when the device is reset: it loses their settings, and gets them back.
use super::config_access;
use super::device_registry::Device;
use super::interrupt_change::MemoryOn;
use super::interrupt_registers;

/// Keeps handlers from masking a device's interrupts until [`end`], which does what they ask for. The caller holds `changes`.
pub fn begin(device: &Device) {
    // One by one, so that interrupts are not off for long.
    for index in 0..device.interrupts.count() {
        device.interrupts.with_slot(index, |_, slot| slot.is_changing = true);
    }
}

/// Gives a device that was reset the settings back that it has lost, and its masks. The settings of one that was not reset, or does
/// not answer, stay as they are, but for the masks that were asked for meanwhile. The caller holds `changes`.
pub fn end(device: &Device, is_reset: bool) {
    let Some(config) = config_access::get() else { return };
    let kind = device.interrupts.granted.lock().as_ref().map(|granted| granted.kind);
    let Some(kind) = kind else {
        if is_reset {
            interrupt_registers::turn_off(config, device);
        }
        return;
    };
    let _memory_on = MemoryOn::new(device);
    if is_reset {
        // A device that does not keep its settings is reported by whoever uses it next.
        interrupt_registers::turn_on(config, device, kind);
    }
    for index in 0..device.interrupts.count() {
        device.interrupts.with_slot(index, |kind, slot| {
            if let Some(place) = slot.place {
                if is_reset {
                    interrupt_registers::send_to(device, kind, index, place);
                }
                interrupt_registers::set_masked(device, kind, index, slot.is_masked);
            }
            slot.is_changing = false;
        });
    }
}
