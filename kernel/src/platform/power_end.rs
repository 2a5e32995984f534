//! The end of the machine: a reset, power off, or the end of the emulator.
//!
//! The other CPUs have stopped, and nothing uses memory any more.
use super::power_tables::{self, PowerTables};
use super::qemu;
use crate::arch::{self, Port};
use crate::report::ExitStatus;
use acpi_tables::{ResetPlace, ResetRegister};
use aml_names::SoftOff;
use core::sync::atomic::{AtomicBool, AtomicPtr, Ordering};
use units::PhysAddr;

/// True if the machine is to be reset in place of being ended.
static RESETS: AtomicBool = AtomicBool::new(false);
/// True if the machine is to be switched off where no emulator ends.
static SWITCHES_OFF: AtomicBool = AtomicBool::new(false);
/// Where the reset register is mapped, if it is in memory.
static RESET_IN_MEMORY: AtomicPtr<u8> = AtomicPtr::new(core::ptr::null_mut());

/// How long a register may take to end the machine before the next one is tried.
const PATIENCE_MS: u64 = 100;
/// How long firmware may take to hand over the control registers.
const HAND_OVER_MS: u64 = 1000;

/// Bits of a PM1 control register (ACPI 6.5 §4.8.3.2.1): they are the operating system's; the sleep type; sleep now.
const IS_HANDED_OVER: u16 = 1 << 0;
const TYPE_SHIFT: u32 = 10;
const TYPE_MASK: u16 = 7 << TYPE_SHIFT;
const SLEEP: u16 = 1 << 13;

/// Makes the end of the machine a reset. `map` maps a byte of memory, if the reset register is there.
pub fn reset_at_end(map: impl FnOnce(PhysAddr) -> Option<*mut u8>) {
    let register = power_tables::get().and_then(|tables| tables.registers.reset);
    if let Some(ResetRegister { place: ResetPlace::Memory(address), .. }) = register
        && let Some(mapped) = map(address)
    {
        RESET_IN_MEMORY.store(mapped, Ordering::Relaxed);
    }
    RESETS.store(true, Ordering::Relaxed);
}

/// Makes the end of the machine power off, unless it is the end of the emulator.
pub fn switch_off_at_end() {
    SWITCHES_OFF.store(true, Ordering::Relaxed);
}

/// Ends the machine. Returns if it can neither be reset nor ended.
pub fn end(status: ExitStatus) {
    if RESETS.load(Ordering::Relaxed) {
        reset();
    }
    qemu::exit(status);
    if SWITCHES_OFF.load(Ordering::Relaxed)
        && let Some(PowerTables { registers, soft_off: Some(types) }) = power_tables::get()
    {
        take_over(registers.control[0], registers.enable);
        switch_off(registers.control, *types);
    }
}

/// Resets the machine: by the reset register that firmware names (ACPI 6.5 §4.8.3.6), by the reset control register of Intel's chipsets
/// (ICH9 datasheet §13.7.5), then by the keyboard controller's pulse on the CPU's reset line. Each resets most machines.
fn reset() {
    if let Some(register) = power_tables::get().and_then(|tables| tables.registers.reset) {
        write_reset(register);
        wait(PATIENCE_MS);
    }
    let control = byte_port(0xcf9);
    control.write(0x02);
    control.write(0x06);
    wait(PATIENCE_MS);
    byte_port(0x64).write(0xfe);
    wait(PATIENCE_MS);
}

fn write_reset(ResetRegister { place, value }: ResetRegister) {
    match place {
        ResetPlace::Port(port) => byte_port(port).write(value),
        ResetPlace::Memory(_) => {
            let mapped = RESET_IN_MEMORY.load(Ordering::Relaxed);
            if !mapped.is_null() {
                // SAFETY: `reset_at_end` has got the address from its `map`, which has mapped the register there for good.
                unsafe { mapped.write_volatile(value) };
            }
        }
        ResetPlace::Config(device, function, offset) => {
            let (device, function, offset) = (u32::from(device), u32::from(function), u32::from(offset));
            // SAFETY: these ports select a register of a function of PCI and write it (PCI 3.0 §3.2.2.3.2). The register is that which
            // resets the machine, as firmware says.
            let address = unsafe { Port::<u32>::new(0xcf8) };
            address.write(1 << 31 | device << 11 | function << 8 | offset & 0xfc);
            byte_port(0xcfc + (offset & 3) as u16).write(value);
        }
    }
}

/// Takes over the control registers from firmware, if it has them (ACPI 6.5 §16.3.1). The first one says who has them.
fn take_over(control: Option<u16>, enable: Option<(u16, u8)>) {
    let (Some(control), Some((command, value))) = (control.map(control_port), enable) else { return };
    let is_handed_over = || control.read() & IS_HANDED_OVER != 0;
    if !is_handed_over() {
        byte_port(command).write(value);
        wait_for(HAND_OVER_MS, is_handed_over);
    }
}

/// Switches the machine off (ACPI 6.5 §16.1.6). The sleep type is written first, and then once more with the bit that acts.
fn switch_off(control: [Option<u16>; 2], SoftOff { type_a, type_b }: SoftOff) {
    let ports = control.map(|port| port.map(control_port));
    let types = [type_a, type_b].map(|number| u16::from(number) << TYPE_SHIFT & TYPE_MASK);
    for act in [0, SLEEP] {
        for (port, number) in
            ports.iter().zip(types).filter_map(|(port, number)| Some((port.as_ref()?, number)))
        {
            port.write(port.read() & !(TYPE_MASK | SLEEP) | number | act);
        }
    }
    wait(PATIENCE_MS);
}

fn byte_port(port: u16) -> Port<u8> {
    // SAFETY: the ports of this file reset the machine, hand over its power registers, or do nothing, as firmware or the chipsets'
    // manuals say. No memory is used any more.
    unsafe { Port::new(port) }
}

fn control_port(port: u16) -> Port<u16> {
    // SAFETY: the FADT names this as the port of a PM1 control register, which changes nothing but the state of power.
    unsafe { Port::new(port) }
}

fn wait(ms: u64) {
    wait_for(ms, || false);
}

/// Waits until `done` returns true, or the time has passed.
fn wait_for(ms: u64, done: impl Fn() -> bool) {
    let (start, limit) = (arch::ticks(), arch::ticks_per_ms().saturating_mul(ms));
    while !done() && arch::ticks().wrapping_sub(start) < limit {
        core::hint::spin_loop();
    }
}
