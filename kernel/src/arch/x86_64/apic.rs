//! The local APIC (Intel SDM vol. 3 §11): the CPU's timer, and messages between CPUs.
//!
//! Its registers are MSRs in x2APIC mode and a page of memory in xAPIC mode. The kernel uses x2APIC mode if the CPU has it.
//! QEMU's emulation has it in version 10, and does not have it in version 7.2.
use super::instructions::InterruptsOff;
use super::local_interrupts::{self, ENTRY_SETTING, LocalInterrupt};
use super::vectors;
use ::address_space::layout::LOCAL_APIC;
use ::x86_64::registers::model_specific::{ApicBase, ApicBaseFlags, Msr};
use core::arch::asm;
use core::sync::atomic::{AtomicBool, Ordering};
use units::{ApicId, FrameNumber, PhysAddr};

const VERSION: u32 = 0x30;
const TASK_PRIORITY: u32 = 0x80;
const END_OF_INTERRUPT: u32 = 0xb0;
const SPURIOUS: u32 = 0xf0;
const IN_SERVICE: u32 = 0x100;
const ERROR_STATUS: u32 = 0x280;
const TIMER_INITIAL_COUNT: u32 = 0x380;
const TIMER_COUNT: u32 = 0x390;
const TIMER_DIVIDE: u32 = 0x3e0;
const COMMAND_LOW: u32 = 0x300;
const COMMAND_HIGH: u32 = 0x310;

const DIVIDE_BY_1: u32 = 0b1011;
const X2APIC_MSR_BASE: u32 = 0x800;
const ENABLED: u32 = 1 << 8;
const DELIVERY_PENDING: u32 = 1 << 12;
const ASSERT: u32 = 1 << 14;
const TO_ITSELF: u32 = 1 << 18;

/// True if the APICs run in x2APIC mode. All CPUs use the same mode.
static X2APIC: AtomicBool = AtomicBool::new(false);

/// A message from one CPU to another (Intel SDM vol. 3 §11.6.1).
#[derive(Clone, Copy)]
pub enum Message {
    /// Resets the CPU, which then waits for a startup message.
    Init,
    /// Starts the CPU in real mode at the page with this number, below 1 MiB.
    Startup(u8),
    /// Interrupts the CPU with this vector.
    Fixed(u8),
    /// Interrupts the CPU even where interrupts are off.
    NonMaskable,
}

impl Message {
    /// Returns the low half of the command register's value.
    fn command(self) -> u32 {
        match self {
            Self::Init => 0b101 << 8 | ASSERT,
            Self::Startup(page) => 0b110 << 8 | ASSERT | u32::from(page),
            Self::NonMaskable => 0b100 << 8 | ASSERT,
            Self::Fixed(vector) => ASSERT | u32::from(vector),
        }
    }
}

/// True if the APICs stay in xAPIC mode although they have x2APIC mode.
static AVOIDS_X2APIC: AtomicBool = AtomicBool::new(false);

/// Returns true if the APICs have x2APIC mode, which [`init_this_cpu`] then uses.
pub fn has_x2apic() -> bool {
    core::arch::x86_64::__cpuid(1).ecx & (1 << 21) != 0 && !AVOIDS_X2APIC.load(Ordering::Relaxed)
}

/// Keeps the APICs in xAPIC mode. The boot CPU calls this before [`init_this_cpu`]. Returns false, and changes nothing, if firmware
/// has switched to x2APIC mode: an APIC leaves that mode only by a reset (Intel SDM vol. 3 §11.12.5).
pub fn avoid_x2apic() -> bool {
    let is_on = ApicBase::read().1.contains(ApicBaseFlags::X2APIC_ENABLE);
    AVOIDS_X2APIC.store(!is_on, Ordering::Relaxed);
    !is_on
}

/// Switches the running CPU's APIC on, and gives all of its settings known values.
pub fn init_this_cpu() {
    let (frame, flags) = ApicBase::read();
    let mode = if has_x2apic() {
        X2APIC.store(true, Ordering::Relaxed);
        ApicBaseFlags::LAPIC_ENABLE | ApicBaseFlags::X2APIC_ENABLE
    } else {
        ApicBaseFlags::LAPIC_ENABLE
    };
    // SAFETY: the address of the registers does not change. The APIC delivers no interrupt meanwhile: its timer has not been
    // started, and before this CPU is online, other CPUs send it only startup messages, which a CPU that runs ignores.
    unsafe { ApicBase::write(frame, flags | mode) };
    write(SPURIOUS, ENABLED | u32::from(vectors::SPURIOUS));
    write(TASK_PRIORITY, 0);
    write(TIMER_INITIAL_COUNT, 0);
    write(TIMER_DIVIDE, DIVIDE_BY_1);
    local_entries().for_each(|(_, register, value)| write(register, value));
    // The first write latches the errors so far, the second clears them (Intel SDM vol. 3 §11.5.3).
    write(ERROR_STATUS, 0);
    write(ERROR_STATUS, 0);
}

/// Returns the entries of the running CPU's local vector table that are the kernel's, with their registers and the values that the
/// kernel gives them.
fn local_entries() -> impl Iterator<Item = (LocalInterrupt, u32, u32)> {
    let last = read(VERSION) >> 16 & 0xff;
    local_interrupts::of_apic(last)
        .filter(|(_, register, _)| !local_interrupts::is_firmwares(read(*register)))
}

/// The settings of a CPU's APIC.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ApicSettings {
    /// The priority below which it holds interrupts back.
    pub task_priority: u32,
    /// The register that switches it on.
    pub spurious: u32,
    /// Its errors since it was switched on.
    pub errors: u32,
    /// The timer's divisor.
    pub timer_divide: u32,
}

/// Reads the settings of the running CPU's APIC, and calls `entry` with each entry of its local vector table.
pub fn settings(entry: &mut dyn FnMut(LocalInterrupt, u32)) -> ApicSettings {
    local_entries().for_each(|(which, register, _)| entry(which, read(register) & ENTRY_SETTING));
    ApicSettings {
        task_priority: read(TASK_PRIORITY),
        spurious: read(SPURIOUS),
        errors: read(ERROR_STATUS),
        timer_divide: read(TIMER_DIVIDE),
    }
}

/// Starts the running CPU's timer, which counts down from `count` and interrupts at 0. A count of 0 stops it.
#[inline]
pub fn start_timer_count(count: u32) {
    write(TIMER_INITIAL_COUNT, count);
}

/// Returns what is left of the timer's count.
pub fn timer_count() -> u32 {
    read(TIMER_COUNT)
}

/// Returns the id of the running CPU's APIC, by CPUID. It works before [`init_this_cpu`], too.
pub fn this_cpu() -> ApicId {
    let extended = core::arch::x86_64::__cpuid(0).eax >= 0xb;
    // Some CPUs have an empty leaf 0xb; then EBX is 0 (Intel SDM vol. 2, CPUID).
    let leaf = core::arch::x86_64::__cpuid_count(if extended { 0xb } else { 0 }, 0);
    if extended && leaf.ebx & 0xffff != 0 {
        return ApicId(leaf.edx);
    }
    ApicId(core::arch::x86_64::__cpuid(1).ebx >> 24)
}

/// Returns true if messages can be addressed to this APIC. In xAPIC mode the id has 8 bits, of which 255 means all CPUs.
pub fn reaches(apic: ApicId) -> bool {
    X2APIC.load(Ordering::Relaxed) || apic.0 < 255
}

/// Sends a message to one CPU. In xAPIC mode, it waits until the APIC has sent it.
pub fn send(to: ApicId, message: Message) {
    if X2APIC.load(Ordering::Relaxed) {
        write_command_x2apic(to.0, message.command());
        return;
    }
    // The two writes are one command, so no interrupt handler may send a message between them.
    let _off = InterruptsOff::new();
    write(COMMAND_HIGH, to.0 << 24);
    write(COMMAND_LOW, message.command());
    wait_until_sent();
}

/// Interrupts the running CPU with this vector, as soon as its interrupts are on.
pub fn interrupt_this_cpu(vector: u8) {
    send(this_cpu(), Message::Fixed(vector));
}

/// Interrupts a CPU, which ends its halt.
pub fn wake_cpu(cpu: ApicId) {
    send(cpu, Message::Fixed(vectors::WAKE));
}

/// Interrupts a CPU as its own timer does. The CPU then looks at what its timer is for.
pub fn request_tick(cpu: ApicId) {
    send(cpu, Message::Fixed(vectors::TIMER));
}

/// Interrupts a CPU, which then flushes its TLB.
pub fn request_shootdown(cpu: ApicId) {
    send(cpu, Message::Fixed(vectors::SHOOTDOWN));
}

/// Interrupts a CPU, which then returns the free pages in its cache.
pub fn request_drain(cpu: ApicId) {
    send(cpu, Message::Fixed(vectors::DRAIN));
}

/// Interrupts a CPU, which then says that it has handled the devices' interrupts that had reached it.
pub fn request_barrier(cpu: ApicId) {
    send(cpu, Message::Fixed(vectors::BARRIER));
}

/// Interrupts a CPU, which then ends the thread that it runs if that is to end.
pub fn request_end_of_thread(cpu: ApicId) {
    send(cpu, Message::Fixed(vectors::END_THREAD));
}

/// Interrupts a CPU as a device does that has this vector.
pub fn interrupt_for_device(cpu: ApicId, vector: u8) {
    debug_assert!((vectors::FIRST_OF_DEVICES..=vectors::LAST_OF_DEVICES).contains(&vector));
    send(cpu, Message::Fixed(vector));
}

/// Interrupts a CPU even where its interrupts are off, to stop it.
pub fn stop_cpu(cpu: ApicId) {
    send(cpu, Message::NonMaskable);
}

/// Ends the interrupt that the running CPU's APIC has in service.
#[inline]
pub fn end_of_interrupt() {
    write(END_OF_INTERRUPT, 0);
}

/// Sends the running CPU the interrupt again that it was about to take when the stack for it ended: the APIC has it in service, but no handler
/// has run. The caller is the handler of the double fault, and the interrupted code had interrupts on, so no other one is in service.
pub fn resend_lost_interrupt() {
    // The register of each 32 vectors, the highest first.
    for group in (0..8).rev() {
        let in_service = read(IN_SERVICE + group * 0x10);
        if in_service != 0 {
            let vector = group * 32 + in_service.ilog2();
            end_of_interrupt();
            // Without a destination: the CPU may be about to send a message whose destination is written already.
            let command = TO_ITSELF | ASSERT | vector;
            if X2APIC.load(Ordering::Relaxed) {
                write_command_x2apic(0, command);
            } else {
                write(COMMAND_LOW, command);
            }
            return;
        }
    }
}

fn wait_until_sent() {
    // The APIC sends a message within microseconds. The limit keeps a broken APIC from hanging the kernel.
    for _ in 0..1_000_000 {
        if read(COMMAND_LOW) & DELIVERY_PENDING == 0 {
            return;
        }
        core::hint::spin_loop();
    }
}

fn write_command_x2apic(to: u32, command: u32) {
    // Other CPUs must see what the sender has stored before they see the message. A write to this MSR waits for no earlier
    // store, unlike one to memory that is not cached (Intel SDM vol. 3 §11.12.3).
    // SAFETY: fences change no register and no memory.
    unsafe { asm!("mfence", "lfence", options(nostack, preserves_flags)) };
    let mut register = Msr::new(X2APIC_MSR_BASE + (COMMAND_LOW >> 4));
    // SAFETY: the only caller, `send`, has found `X2APIC` set: the APIC is in x2APIC mode, where its command register is this
    // MSR. The kernel sends only the messages of `Message`.
    unsafe { register.write(u64::from(to) << 32 | u64::from(command)) };
}

/// Returns the frame of the registers in xAPIC mode. All CPUs use this frame, and each finds its own registers there.
pub fn frame() -> FrameNumber {
    FrameNumber::containing(PhysAddr(ApicBase::read().0.start_address().as_u64()))
}

#[inline]
fn register(offset: u32) -> *mut u32 {
    core::ptr::with_exposed_provenance_mut((LOCAL_APIC.0 + u64::from(offset)) as usize)
}

fn read(offset: u32) -> u32 {
    if X2APIC.load(Ordering::Relaxed) {
        // SAFETY: `init_this_cpu` has switched to x2APIC mode, where this register is this MSR. Reading it changes nothing.
        return unsafe { Msr::new(X2APIC_MSR_BASE + (offset >> 4)).read() } as u32;
    }
    // SAFETY: `memory::address_space::init` has mapped the registers at `LOCAL_APIC`, uncached. Reading them changes nothing.
    unsafe { register(offset).read_volatile() }
}

#[inline]
fn write(offset: u32, value: u32) {
    if X2APIC.load(Ordering::Relaxed) {
        // SAFETY: `init_this_cpu` has switched to x2APIC mode, where this register is this MSR. This file writes only settings
        // of the APIC and its timer, none of which touches memory.
        unsafe { Msr::new(X2APIC_MSR_BASE + (offset >> 4)).write(u64::from(value)) };
        return;
    }
    // SAFETY: `memory::address_space::init` has mapped the registers at `LOCAL_APIC`, uncached. This file writes only settings
    // and commands of the APIC: of the commands, only `Startup` makes a CPU run code, and `startup.rs` writes that code first.
    unsafe { register(offset).write_volatile(value) };
}
