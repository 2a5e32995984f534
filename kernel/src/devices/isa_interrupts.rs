//! Interrupts of the ISA bus that the kernel handles itself, as those of a serial port.
use super::interrupt_lines;
use crate::arch::LineTrigger;
use crate::cpu;
use crate::cpu::code_mark::{CodeKind, CodeMark};
use crate::cpu::device_vectors::{AttachedHandler, DeviceHandler};
use crate::platform::interrupt_tables;
use alloc::vec::Vec;
use core::ptr::{self, NonNull};

/// Marks the kernel's own handlers.
static KERNEL: CodeMark = CodeMark::new(ptr::null(), CodeKind::Handler);

/// Attaches a handler to an interrupt of the ISA bus, for good. It runs on the first CPU that is online. Returns false, and changes nothing,
/// if no I/O APIC has its line, if a device of PCI uses the line, or if there is no memory. The caller is a thread that may wait.
///
/// # Safety
/// From now on `function` may be called with null, with interrupts off, on any CPU.
pub unsafe fn attach(irq: u8, function: DeviceHandler) -> bool {
    let attach = || {
        let line = interrupt_tables::isa_line(irq)?;
        let trigger = LineTrigger { is_low: line.is_low, is_level: line.is_level };
        let line = interrupt_lines::find(line.interrupt, trigger)?;
        let cpu = cpu::online().next()?;
        let mut memory = Vec::new();
        memory.try_reserve_exact(1).ok()?;
        // SAFETY: the condition of this function is that of `new`.
        memory.push(unsafe { AttachedHandler::new(function, ptr::null_mut(), &KERNEL) });
        let handler = memory.leak().first()?;
        // SAFETY: the handler's memory is never freed.
        unsafe { line.add(NonNull::from(handler), cpu) }
    };
    attach().is_some()
}
