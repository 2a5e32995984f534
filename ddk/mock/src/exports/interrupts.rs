//! Interrupts of devices.
use crate::arguments::{can_write_sized, read_sized};
use crate::devices::{Device, Interrupt};
use crate::enter;
use crate::schedule::{Pace, point};
use crate::world::{World, with};
use abi::{INTERRUPT_INTX, INTERRUPT_MSI, INTERRUPT_MSIX, InterruptInfo, InterruptSetup};
use std::ffi::c_int;

/// The first vector on a CPU that is a device's.
const FIRST_VECTOR: u32 = 0x40;

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn Kernel_AllocateInterrupts(
    device: c_int,
    least: c_int,
    most: c_int,
    kinds: u32,
) -> c_int {
    if !enter::may_wait("Kernel_AllocateInterrupts") {
        return -1;
    }
    with(|world| {
        let index = enter::owned(world, "Kernel_AllocateInterrupts", device)?;
        let known = INTERRUPT_MSIX | INTERRUPT_MSI | INTERRUPT_INTX;
        if kinds == 0 || kinds & !known != 0 || least < 1 || least > most || !world.may_allocate() {
            return None;
        }
        let is_stopping = world.driver.is_stopping;
        let device = &mut world.devices.all[index];
        if device.kind != 0 || is_stopping {
            return None;
        }
        let has_table = device.enabled & abi::DEVICE_MEMORY != 0;
        let available = [
            (INTERRUPT_MSIX, if has_table { device.pci.msix } else { 0 }),
            (INTERRUPT_MSI, device.pci.msi.min(1)),
            (INTERRUPT_INTX, u16::from(device.pci.pin > 0)),
        ];
        let enough = |(kind, count): &(u32, u16)| kinds & kind != 0 && c_int::from(*count) >= least;
        let (kind, count) = available.into_iter().find(enough)?;
        let count = c_int::from(count).min(most);
        device.kind = kind;
        device.interrupts = vec![Interrupt { is_masked: true, ..Interrupt::default() }; count as usize];
        Some(count)
    })
    .unwrap_or(-1)
}

/// Returns an interrupt of a device that the caller owns.
fn interrupt<'w>(
    world: &'w mut World,
    name: &str,
    device: c_int,
    index: c_int,
) -> Option<(&'w mut Device, usize)> {
    let device = enter::owned(world, name, device)?;
    let device = &mut world.devices.all[device];
    let index = usize::try_from(index).ok().filter(|index| *index < device.interrupts.len())?;
    Some((device, index))
}

/// Returns an interrupt that has a handler.
fn attached<'w>(world: &'w mut World, name: &str, device: c_int, index: c_int) -> Option<&'w mut Interrupt> {
    let (device, index) = interrupt(world, name, device, index)?;
    Some(&mut device.interrupts[index]).filter(|interrupt| interrupt.handler.is_some())
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn Kernel_AttachInterrupt(
    device: c_int,
    index: c_int,
    setup: *const InterruptSetup,
) -> bool {
    if !enter::may_wait("Kernel_AttachInterrupt") {
        return false;
    }
    let Some(setup) = read_sized(setup).filter(|setup| setup.Flags == 0 && setup.Reserved == 0) else {
        return false;
    };
    with(|world| {
        let handler = setup.Handler?;
        let machine = world.machine.clone();
        let (device, index) = interrupt(world, "Kernel_AttachInterrupt", device, index)?;
        let cpu = match setup.Cpu {
            -1 => {
                let near = device.pci.node.map(|node| machine.cpus_near(node));
                let cpus = near.unwrap_or_else(|| (0..machine.cpu_count()).collect());
                cpus[index % cpus.len()]
            }
            cpu => machine.node_of_cpu(cpu).map(|_| cpu as usize)?,
        };
        let interrupt = &mut device.interrupts[index];
        if interrupt.handler.is_some() {
            return None;
        }
        let is_pending = interrupt.is_pending;
        let handler = Some((handler, setup.Context.expose_provenance()));
        *interrupt = Interrupt { handler, cpu, is_pending, ..Interrupt::default() };
        Some(())
    })
    .is_some()
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn Kernel_GetInterruptInfo(
    device: c_int,
    index: c_int,
    to: *mut InterruptInfo,
) -> bool {
    enter::any();
    let info = with(|world| {
        let device = &world.devices.all[world.devices.find(device)?];
        let interrupt = device.interrupts.get(usize::try_from(index).ok()?)?;
        let is_attached = interrupt.handler.is_some();
        let node = world.machine.node_of_cpu(interrupt.cpu as i32).map_or(-1, |node| node as i32);
        Some(InterruptInfo {
            Size: 0,
            Kind: device.kind,
            Vector: if is_attached { FIRST_VECTOR + index as u32 } else { 0 },
            Cpu: if is_attached { interrupt.cpu as i32 } else { -1 },
            Node: if is_attached { node } else { -1 },
            Reserved: 0,
            Count: interrupt.count,
            Unclaimed: interrupt.unclaimed,
            LongestNanoseconds: interrupt.longest_ns,
        })
    });
    let Some(info) = info.filter(|_| can_write_sized(to)) else { return false };
    // SAFETY: the structure is there, and the driver may have it written.
    unsafe { to.write(InterruptInfo { Size: (*to).Size, ..info }) };
    true
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn Kernel_SetInterruptCpu(device: c_int, index: c_int, cpu: c_int) -> bool {
    if !enter::may_wait("Kernel_SetInterruptCpu") {
        return false;
    }
    with(|world| {
        let is_online = world.machine.node_of_cpu(cpu).is_some();
        match attached(world, "Kernel_SetInterruptCpu", device, index).filter(|_| is_online) {
            Some(interrupt) => interrupt.cpu = cpu as usize,
            None => return false,
        }
        true
    })
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn Kernel_MaskInterrupt(device: c_int, index: c_int, masked: bool) -> bool {
    enter::any();
    with(|world| {
        let Some(interrupt) = attached(world, "Kernel_MaskInterrupt", device, index) else { return false };
        interrupt.is_masked = masked;
        true
    })
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn Kernel_DetachInterrupt(device: c_int, index: c_int) -> bool {
    if !enter::may_wait("Kernel_DetachInterrupt") {
        return false;
    }
    let detached = with(|world| {
        let interrupt = attached(world, "Kernel_DetachInterrupt", device, index)?;
        (interrupt.handler, interrupt.is_masked) = (None, true);
        Some(())
    });
    if detached.is_none() {
        return false;
    }
    let runs = || {
        with(|world| {
            let found = interrupt(world, "Kernel_DetachInterrupt", device, index);
            found.is_some_and(|(device, index)| device.interrupts[index].is_running)
        })
    };
    while runs() {
        point(Pace::Yields);
    }
    true
}
