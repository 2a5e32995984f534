//! The local APIC, in xAPIC mode through its page of registers or in x2APIC mode through MSRs (Intel SDM vol. 3 §11).
//!
//! x2APIC is used where the CPU has it. TCG has none, so that path is covered by no test.
use super::InterruptsOff;
use super::vectors;
use ::address_space::layout::LOCAL_APIC;
use ::x86_64::registers::model_specific::{ApicBase, ApicBaseFlags, Msr};
use core::sync::atomic::{AtomicBool, Ordering};
use units::{ApicId, FrameNumber, PhysAddr};

const END_OF_INTERRUPT: u32 = 0xb0;
const SPURIOUS: u32 = 0xf0;
const TIMER_ENTRY: u32 = 0x320;
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

/// Whether the APICs run in x2APIC mode. All do or none does.
static X2APIC: AtomicBool = AtomicBool::new(false);

/// What one CPU can send to another (Intel SDM vol. 3 §11.6.1).
#[derive(Clone, Copy)]
pub enum Message {
    /// Reset to the state that waits for a startup message.
    Init,
    /// Start in real mode at this page, below 1 MiB.
    Startup(u8),
    /// An interrupt with this vector.
    Fixed(u8),
    /// An interrupt that no CPU can refuse.
    NonMaskable,
}

impl Message {
    fn command(self) -> u32 {
        match self {
            Self::Init => 0b101 << 8 | ASSERT,
            Self::Startup(page) => 0b110 << 8 | ASSERT | u32::from(page),
            Self::NonMaskable => 0b100 << 8 | ASSERT,
            Self::Fixed(vector) => ASSERT | u32::from(vector),
        }
    }
}

/// Switches this CPU's APIC on, in x2APIC mode where the CPU has it.
pub fn init_this_cpu() {
    let has_x2apic = core::arch::x86_64::__cpuid(1).ecx & (1 << 21) != 0;
    let (frame, flags) = ApicBase::read();
    let mode = if has_x2apic {
        X2APIC.store(true, Ordering::Relaxed);
        ApicBaseFlags::LAPIC_ENABLE | ApicBaseFlags::X2APIC_ENABLE
    } else {
        ApicBaseFlags::LAPIC_ENABLE
    };
    // SAFETY: the APIC stays at the address where it is, and no interrupt of it is in flight while it changes its mode.
    unsafe { ApicBase::write(frame, flags | mode) };
    write(SPURIOUS, ENABLED | u32::from(vectors::SPURIOUS));
    write(TIMER_DIVIDE, DIVIDE_BY_1);
    // One shot, not masked.
    write(TIMER_ENTRY, u32::from(vectors::TIMER));
}

/// Lets this CPU's timer count down from `count`, and interrupt at 0; a count of 0 stops it.
#[inline]
pub fn start_timer_count(count: u32) {
    write(TIMER_INITIAL_COUNT, count);
}

/// What is left of the timer's count.
pub fn timer_count() -> u32 {
    read(TIMER_COUNT)
}

/// The id of the running CPU's APIC, as the CPU itself says it; also before [`init_this_cpu`].
pub fn this_cpu() -> ApicId {
    let extended = core::arch::x86_64::__cpuid(0).eax >= 0xb;
    // Leaf 0xb is there but empty on some CPUs; then EBX is zero (Intel SDM vol. 2, CPUID).
    let leaf = core::arch::x86_64::__cpuid_count(if extended { 0xb } else { 0 }, 0);
    if extended && leaf.ebx & 0xffff != 0 {
        return ApicId(leaf.edx);
    }
    ApicId(core::arch::x86_64::__cpuid(1).ebx >> 24)
}

/// Whether messages can be addressed to this APIC: without x2APIC there are 8 bits for it, and 255 means all.
pub fn reaches(apic: ApicId) -> bool {
    X2APIC.load(Ordering::Relaxed) || apic.0 < 255
}

/// Sends a message to one CPU and waits until it has left.
pub fn send(to: ApicId, message: Message) {
    if X2APIC.load(Ordering::Relaxed) {
        write_command_x2apic(to.0, message.command());
        return;
    }
    // The two halves are one command, which an interrupt that sends its own must not part.
    let _off = InterruptsOff::new();
    write(COMMAND_HIGH, to.0 << 24);
    write(COMMAND_LOW, message.command());
    wait_until_sent();
}

/// Wakes a halted CPU.
pub fn wake_cpu(cpu: ApicId) {
    send(cpu, Message::Fixed(vectors::WAKE));
}

/// Makes a CPU forget the translations that were taken out of the page tables.
pub fn request_shootdown(cpu: ApicId) {
    send(cpu, Message::Fixed(vectors::SHOOTDOWN));
}

/// Asks a CPU to give its free pages back.
pub fn request_drain(cpu: ApicId) {
    send(cpu, Message::Fixed(vectors::DRAIN));
}

/// Stops a CPU where it is.
pub fn stop_cpu(cpu: ApicId) {
    send(cpu, Message::NonMaskable);
}

/// Tells the APIC that the interrupt in service has been handled.
pub fn end_of_interrupt() {
    write(END_OF_INTERRUPT, 0);
}

fn wait_until_sent() {
    // A message leaves within microseconds; an APIC that is broken must not hang the kernel.
    for _ in 0..1_000_000 {
        if read(COMMAND_LOW) & DELIVERY_PENDING == 0 {
            return;
        }
        core::hint::spin_loop();
    }
}

fn write_command_x2apic(to: u32, command: u32) {
    let mut register = Msr::new(X2APIC_MSR_BASE + (COMMAND_LOW >> 4));
    // SAFETY: the APIC is in x2APIC mode, where its command register is this MSR.
    unsafe { register.write(u64::from(to) << 32 | u64::from(command)) };
}

/// The frame of this CPU's registers in xAPIC mode; all CPUs have it at the same address, each its own.
pub fn frame() -> FrameNumber {
    FrameNumber::containing(PhysAddr(ApicBase::read().0.start_address().as_u64()))
}

fn register(offset: u32) -> *mut u32 {
    core::ptr::with_exposed_provenance_mut((LOCAL_APIC.0 + u64::from(offset)) as usize)
}

fn read(offset: u32) -> u32 {
    if X2APIC.load(Ordering::Relaxed) {
        // SAFETY: the APIC is in x2APIC mode, where this register is this MSR; reading has no effect.
        return unsafe { Msr::new(X2APIC_MSR_BASE + (offset >> 4)).read() } as u32;
    }
    // SAFETY: the registers' page is mapped there, uncached. Reading has no effect.
    unsafe { register(offset).read_volatile() }
}

fn write(offset: u32, value: u32) {
    if X2APIC.load(Ordering::Relaxed) {
        // SAFETY: as for `read`; what is written is one of this file's commands.
        unsafe { Msr::new(X2APIC_MSR_BASE + (offset >> 4)).write(u64::from(value)) };
        return;
    }
    // SAFETY: as for `read`; what is written is one of this file's commands.
    unsafe { register(offset).write_volatile(value) };
}
