//! The exports about interrupts of devices.
use super::caller;
use super::pointer::{self, Access, DriverPointer};
use crate::arch;
use crate::cpu::{Cpu, device_vectors};
use crate::devices::device_registry::{self, Device};
use crate::devices::interrupt_allocation::{self, Kinds};
use crate::devices::{InterruptDescription, InterruptKind, cpu_by_index};
use crate::devices::{interrupt_attach, interrupt_mask, interrupt_move};
use crate::threads::owner::Owner;
use abi::{INTERRUPT_INTX, INTERRUPT_MSI, INTERRUPT_MSIX, InterruptInfo, InterruptSetup};
use core::ffi::c_int;

/// What an export returns for arguments that it refuses.
const NONE: c_int = -1;
/// The CPU of a driver that leaves the choice to the kernel.
const ANY_CPU: c_int = -1;

/// Returns the device that the running thread's driver names, if the driver owns it.
fn own_device(device: c_int, function: &'static str) -> Option<(&'static Device, &'static Owner)> {
    let owner = caller::driver_of_thread(function)?;
    Some((device_registry::find_owned(device, owner, function)?, owner))
}

fn cpu_from(cpu: c_int) -> Option<&'static Cpu> {
    cpu_by_index(u32::try_from(cpu).ok()?)
}

pub extern "C" fn allocate_interrupts(device: c_int, least: c_int, most: c_int, kinds: u32) -> c_int {
    let allocate = || {
        let (device, owner) = own_device(device, "Kernel_AllocateInterrupts")?;
        let (least, most) = (usize::try_from(least).ok()?, usize::try_from(most).ok()?);
        let is_known = kinds != 0 && kinds & !(INTERRUPT_MSIX | INTERRUPT_MSI | INTERRUPT_INTX) == 0;
        if least == 0 || least > most || !is_known {
            return None;
        }
        let accepts = |kind| kinds & kind != 0;
        let kinds = Kinds {
            msi_x: accepts(INTERRUPT_MSIX),
            msi: accepts(INTERRUPT_MSI),
            line: accepts(INTERRUPT_INTX),
        };
        c_int::try_from(interrupt_allocation::allocate(device, owner, least, most, kinds)?).ok()
    };
    allocate().unwrap_or(NONE)
}

pub unsafe extern "C" fn attach_interrupt(device: c_int, index: c_int, setup: *const InterruptSetup) -> bool {
    // SAFETY: the condition of all exports (see the folder's `mod.rs`).
    let setup = unsafe { DriverPointer::new(setup) };
    let attach = || {
        let (device, owner) = own_device(device, "Kernel_AttachInterrupt")?;
        let index = usize::try_from(index).ok()?;
        let InterruptSetup { Flags, Handler, Context, Cpu, Reserved, .. } = setup.read_sized()?;
        let function = Handler.filter(|handler| pointer::is_code(*handler as *const ()))?;
        if Flags != 0 || Reserved != 0 {
            return None;
        }
        let cpu = if Cpu == ANY_CPU { None } else { Some(cpu_from(Cpu)?) };
        let may_wait = device_vectors::may_wait()?;
        // SAFETY: the handler is code of a driver, which vouches for calling it with this context until the interrupt is detached. A
        // driver's image stays until its devices were released, which detaches them.
        unsafe { interrupt_attach::attach(device, owner, index, (function, Context), cpu, &may_wait) }
            .then_some(())
    };
    attach().is_some()
}

pub unsafe extern "C" fn get_interrupt_info(device: c_int, index: c_int, info: *mut InterruptInfo) -> bool {
    // SAFETY: the condition of all exports (see the folder's `mod.rs`).
    let info = unsafe { DriverPointer::new(info) };
    let fill = || {
        let size = info.check_sized(Access::Write)?;
        let description = device_registry::find(device)?.interrupts.describe(usize::try_from(index).ok()?)?;
        info.write(info_of(&description, size))
    };
    fill().is_some()
}

/// Describes an interrupt in a structure of `size` bytes.
fn info_of(InterruptDescription { kind, place, counts }: &InterruptDescription, size: u32) -> InterruptInfo {
    InterruptInfo {
        Size: size,
        Kind: match kind {
            InterruptKind::MsiX(..) => INTERRUPT_MSIX,
            InterruptKind::Msi(_) => INTERRUPT_MSI,
            InterruptKind::Line(_) => INTERRUPT_INTX,
        },
        Vector: place.map_or(0, |place| place.vector.into()),
        Cpu: place.map_or(NONE, |place| place.cpu.id.0 as i32),
        Node: place.map_or(NONE, |place| place.cpu.node.index() as i32),
        Reserved: 0,
        Count: counts.runs,
        Unclaimed: counts.unclaimed,
        LongestNanoseconds: nanoseconds(counts.longest),
    }
}

fn nanoseconds(ticks: u64) -> u64 {
    let ns = u128::from(ticks) * 1_000_000 / u128::from(arch::ticks_per_ms().max(1));
    u64::try_from(ns).unwrap_or(u64::MAX)
}

pub extern "C" fn set_interrupt_cpu(device: c_int, index: c_int, cpu: c_int) -> bool {
    let set = || {
        let (device, owner) = own_device(device, "Kernel_SetInterruptCpu")?;
        let (index, cpu) = (usize::try_from(index).ok()?, cpu_from(cpu)?);
        let may_wait = device_vectors::may_wait()?;
        interrupt_move::set_cpu(device, owner, index, cpu, &may_wait).then_some(())
    };
    set().is_some()
}

pub extern "C" fn mask_interrupt(device: c_int, index: c_int, masked: bool) -> bool {
    let mask = || {
        let owner = caller::driver()?;
        let device = device_registry::find_owned(device, owner, "Kernel_MaskInterrupt")?;
        interrupt_mask::set_masked(device, owner, usize::try_from(index).ok()?, masked).then_some(())
    };
    mask().is_some()
}

pub extern "C" fn detach_interrupt(device: c_int, index: c_int) -> bool {
    let detach = || {
        let (device, owner) = own_device(device, "Kernel_DetachInterrupt")?;
        let index = usize::try_from(index).ok()?;
        let may_wait = device_vectors::may_wait()?;
        interrupt_attach::detach(device, owner, index, &may_wait).then_some(())
    };
    detach().is_some()
}
