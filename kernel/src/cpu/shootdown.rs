//! TLB shootdown: the protocol is that of `cpu-requests`; this file adds the interrupts and the TLB.
//!
//! A shootdown costs an idle CPU nothing: the CPU is not interrupted, and flushes its TLB once, however many shootdowns it
//! halted through.
//! While it is idle it touches only memory that is never unmapped: its idle thread's stack, the kernel's image, its own area.
//!
//! A shootdown waits for other CPUs, so its caller holds no spin lock: a CPU that spins on that lock with interrupts off
//! would never answer. A CPU that waits for another CPU with interrupts off calls [`answer`] meanwhile.
use super::identity::Cpu;
use super::may_wait::MayWait;
use super::{cpu_local, deferred, registry};
use crate::arch::{self, InterruptsOff};
use cpu_requests::{CpuTranslations, Shootdown};

cpu_local! {
    static TRANSLATIONS: CpuTranslations = CpuTranslations::idle();
}

static SHOOTDOWN: Shootdown = Shootdown::none_yet();

/// Makes all CPUs flush the translations that were removed from the page tables before the call. Returns when no CPU can use
/// them. The caller may wait ([`MayWait`]), which builds with debug assertions check.
pub fn flush_everywhere() {
    debug_assert!(MayWait::now().is_some(), "a shootdown waits, with interrupts or preemption off");
    let cpus = registry::all().map(|cpu| (cpu, TRANSLATIONS.of(cpu)));
    let interrupt = |cpu: &Cpu| arch::request_shootdown(cpu.apic);
    let wait = || {
        answer();
        deferred::serve_drain();
        core::hint::spin_loop();
    };
    SHOOTDOWN.flush_everywhere(cpus, answer, interrupt, wait);
}

/// Flushes this CPU's TLB if a shootdown has begun since its last flush.
pub fn answer() {
    let off = InterruptsOff::new();
    SHOOTDOWN.answer(TRANSLATIONS.here(&off), arch::flush_translations);
}

/// Returns true if the CPU is halted, or has not started.
pub fn is_idle(cpu: &Cpu) -> bool {
    TRANSLATIONS.of(cpu).is_idle()
}

/// Says that this CPU is about to halt.
pub fn enter_idle(off: &InterruptsOff) {
    TRANSLATIONS.here(off).enter_idle();
}

/// Says that this CPU runs, and flushes its TLB if a shootdown has begun while it was idle. A CPU is idle until it starts.
#[inline]
pub fn leave_idle(off: &InterruptsOff) {
    SHOOTDOWN.leave_idle(TRANSLATIONS.here(off), arch::flush_translations);
}
