//! Attaches handlers to a device's interrupts, and detaches them.
//!
//! A thread that does so holds the device's `changes`. It takes the lock of the interrupts' state only for single steps, and waits for
//! other CPUs without it.
use super::device_registry::Device;
use super::interrupt_change::{self, MemoryOn};
use super::interrupt_lines::{LinePlace, SharedLine};
use super::interrupt_state::{InterruptKind, InterruptSlot};
use super::{config_access, interrupt_registers};
use crate::cpu::device_vectors::{self, AttachedHandler, DeviceHandler, Source};
use crate::cpu::{Cpu, MayWait};
use crate::threads::owner::Owner;
use core::ffi::c_void;
use core::ptr::NonNull;

/// Where an interrupt is to go.
enum InterruptTarget {
    /// To this vector, which is allocated.
    Vector(LinePlace),
    /// Where this line goes, or to this CPU if the line goes nowhere yet.
    Line(&'static SharedLine, &'static Cpu),
}

/// Attaches a handler to an interrupt, and unmasks it. Without `cpu`, the interrupt goes to the CPU that the device's node gives it. Returns
/// false, and changes nothing, if the driver does not own the device, if there is no such interrupt, if it has a handler, if no vector
/// is free, or if the device does not keep what is written.
///
/// # Safety
/// Until the interrupt is detached, `function` may be called with `context`, with interrupts off, on any CPU.
pub unsafe fn attach(
    device: &'static Device,
    owner: &'static Owner,
    index: usize,
    (function, context): (DeviceHandler, *mut c_void),
    cpu: Option<&'static Cpu>,
    may_wait: &MayWait,
) -> bool {
    let _changes = device.changes.lock();
    if !device.is_of(owner) {
        return false;
    }
    // SAFETY: by this function's condition: the handler is in no list before, and in none after `detach_locked`.
    let handler = unsafe { AttachedHandler::new(function, context, owner.handler_mark()) };
    let Some((source, handler, target)) = prepare(device, index, handler, cpu) else { return false };
    let place = match target {
        InterruptTarget::Line(line, cpu) => {
            // SAFETY: the handler stays in memory until the interrupts are taken back, which first detaches it: that calls `remove`.
            let Some(place) = (unsafe { line.add(handler, cpu) }) else { return false };
            place
        }
        InterruptTarget::Vector(place) => {
            // SAFETY: no CPU knows the source yet. Both stay in memory until the interrupts are taken back, which first detaches the
            // handler: that unpublishes the source and waits for its CPU.
            unsafe {
                source.as_ref().add(handler);
                device_vectors::publish(place.cpu, place.vector, source);
            }
            place
        }
    };
    let is_on = device.interrupts.with_slot(index, |kind, slot| {
        *slot = InterruptSlot { place: Some(place), is_masked: false, is_changing: false };
        // Under the lock, so that a handler that masks its interrupt does so behind this.
        // A driver that has failed meanwhile gets no interrupt: its others are silent.
        !owner.has_failed() && interrupt_registers::send_to(device, kind, index, place)
    });
    is_on == Some(true) || {
        detach_locked(device, index, may_wait);
        false
    }
}

/// Stores the handler of an interrupt that has none, and chooses where the interrupt goes: to `cpu`, or to the CPU that the device's node
/// gives it; a message to the next one that has a free vector.
fn prepare(
    device: &Device,
    index: usize,
    handler: AttachedHandler,
    cpu: Option<&'static Cpu>,
) -> Option<(NonNull<Source>, NonNull<AttachedHandler>, InterruptTarget)> {
    // Only this thread changes the state until it releases `changes`, but handlers look at it.
    let granted = device.interrupts.granted.lock();
    let granted = granted.as_ref()?;
    if granted.slots.get(index)?.place.is_some() {
        return None;
    }
    // SAFETY: the interrupt has no handler, and `detach_locked` has waited for the CPU that ran an earlier one.
    let (source, handler) = unsafe { granted.prepare(index, handler) }?;
    let mut cpus = granted.cpus_for(index, cpu);
    let vector_of = |cpu: &'static Cpu| {
        device_vectors::vectors_of(cpu).allocate().map(|vector| LinePlace { cpu, vector })
    };
    let target = match granted.kind {
        InterruptKind::Line(line) => InterruptTarget::Line(line, cpus.next()?),
        _ => InterruptTarget::Vector(cpus.find_map(vector_of)?),
    };
    Some((source, handler, target))
}

/// Masks an interrupt and takes its handler away. On return no CPU runs the handler. Returns false if the driver does not own the device,
/// or if the interrupt has no handler.
pub fn detach(device: &'static Device, owner: &'static Owner, index: usize, may_wait: &MayWait) -> bool {
    let _changes = device.changes.lock();
    device.is_of(owner) && detach_locked(device, index, may_wait)
}

/// Detaches an interrupt. The caller holds `changes`. Returns false if it has no handler.
pub fn detach_locked(device: &Device, index: usize, may_wait: &MayWait) -> bool {
    let _memory_on = MemoryOn::new(device);
    let Some((kind, place)) = interrupt_change::begin(device, index) else { return false };
    match kind {
        InterruptKind::Line(line) => take_from_line(device, index, line, may_wait),
        InterruptKind::Msi(msi) => {
            if let Some(config) = config_access::get() {
                msi.set_on(config, device.function.address, false);
            }
            take_from_cpu(place, may_wait);
        }
        InterruptKind::MsiX(..) => take_from_cpu(place, may_wait),
    }
    device.interrupts.with_slot(index, |_, slot| {
        slot.place = None;
        slot.is_changing = false;
    });
    true
}

/// Takes a message that the device does not send any more from its CPU.
fn take_from_cpu(LinePlace { cpu, vector }: LinePlace, may_wait: &MayWait) {
    // First, what was sent before the mask is handled.
    device_vectors::wait_for_handlers(cpu, may_wait);
    device_vectors::unpublish(cpu, vector);
    // A device that does not care about its mask may have sent more.
    device_vectors::wait_for_handlers(cpu, may_wait);
    device_vectors::vectors_of(cpu).free(vector);
}

/// Takes the handler of a device from the line that it shares.
fn take_from_line(device: &Device, index: usize, line: &SharedLine, may_wait: &MayWait) {
    if let Some(config) = config_access::get() {
        interrupt_registers::set_pin_off(config, device, true);
    }
    if let Some((_, handler)) = device.interrupts.attached(index) {
        line.remove(handler, may_wait);
    }
}
