//! Moves a device's interrupt to another CPU for its driver, and loses none meanwhile.
use super::device_registry::Device;
use super::interrupt_change::{self, MemoryOn};
use super::interrupt_lines::LinePlace;
use super::interrupt_state::{InterruptDescription, InterruptKind};
use super::{config_access, interrupt_registers, message_move};
use crate::arch;
use crate::cpu::device_vectors;
use crate::cpu::{Cpu, MayWait};
use crate::threads::owner::Owner;
use pci::Msi;

/// Moves an interrupt to another CPU, and none is lost. Returns false, and changes nothing, if the driver does not own the device, if the
/// interrupt has no handler, or if that CPU has no free vector.
pub fn set_cpu(
    device: &'static Device,
    owner: &'static Owner,
    index: usize,
    to: &'static Cpu,
    may_wait: &MayWait,
) -> bool {
    let _changes = device.changes.lock();
    if !device.is_of(owner) {
        return false;
    }
    let Some(InterruptDescription { kind, place: Some(from), .. }) = device.interrupts.describe(index) else {
        return false;
    };
    if from.cpu.id == to.id {
        return true;
    }
    match kind {
        InterruptKind::Line(line) => line.move_to(to, may_wait),
        InterruptKind::Msi(msi) if !msi.has_masks => {
            move_unmasked(device, index, &msi, (from, to), may_wait).is_some()
        }
        InterruptKind::MsiX(..) | InterruptKind::Msi(_) => {
            move_masked(device, kind, index, (from, to), may_wait)
        }
    }
}

/// Moves the message of MSI without masks. Returns `None`, and changes nothing, if the CPUs have no free vector in common.
fn move_unmasked(
    device: &Device,
    index: usize,
    msi: &Msi,
    cpus: (LinePlace, &'static Cpu),
    may_wait: &MayWait,
) -> Option<()> {
    let (config, address) = (config_access::get()?, device.function.address);
    let (source, _) = device.interrupts.attached(index)?;
    // SAFETY: the interrupt has a handler, so `attach` has published its source at its place. The source stays until `detach` has
    // unpublished it and waited, which needs `changes`: the caller holds that.
    let place = unsafe { message_move::move_unmasked(config, address, msi, source, cpus, may_wait) }?;
    device.interrupts.with_slot(index, |_, slot| slot.place = Some(place))
}

/// Moves a message that is masked meanwhile. Returns false, and changes nothing, if the CPU has no free vector.
fn move_masked(
    device: &Device,
    kind: InterruptKind,
    index: usize,
    (from, to): (LinePlace, &'static Cpu),
    may_wait: &MayWait,
) -> bool {
    let vectors = device_vectors::vectors_of(to);
    let Some(vector) = vectors.allocate() else { return false };
    let attached = device.interrupts.attached(index);
    let (Some((source, _)), Some(message)) = (attached, arch::message_to(to.apic, vector)) else {
        vectors.free(vector);
        return false;
    };
    let _memory_on = MemoryOn::new(device);
    interrupt_change::begin(device, index);
    // The old CPU handles what was sent before the mask.
    device_vectors::wait_for_handlers(from.cpu, may_wait);
    device_vectors::unpublish(from.cpu, from.vector);
    // SAFETY: the source stays until `detach` has unpublished it and waited, which needs `changes`: the caller holds that. The message is
    // masked, and the old CPU has handled what was sent before.
    unsafe { device_vectors::publish(to, vector, source) };
    device.interrupts.with_slot(index, |_, slot| {
        interrupt_registers::write_message(device, kind, index, message);
        if !slot.is_masked {
            interrupt_registers::set_masked(device, kind, index, false);
        }
        slot.place = Some(LinePlace { cpu: to, vector });
        slot.is_changing = false;
    });
    // A device that does not care about its mask may have sent more.
    device_vectors::wait_for_handlers(from.cpu, may_wait);
    device_vectors::vectors_of(from.cpu).free(from.vector);
    true
}
