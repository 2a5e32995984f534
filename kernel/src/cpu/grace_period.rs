//! Grace periods: waiting until every CPU has left the stretch without preemption, and the interrupt handler, that it was in. The
//! protocol is that of `cpu-requests`; this file adds the interrupts.
//!
//! A CPU that has removed a pointer which others use with preemption or interrupts off waits for a grace period. From then on no CPU
//! uses the pointer. Those that use it pay nothing for that.
use super::cpu_local;
use super::deferred::{self, DeferredWork};
use super::may_wait::MayWait;
use super::registry;
use crate::arch::InterruptsOff;
use cpu_requests::{CpuPassed, GracePeriods};

cpu_local! {
    static PASSED: CpuPassed = CpuPassed::never();
}

static GRACE_PERIODS: GracePeriods = GracePeriods::none_yet();

/// Waits until every CPU has been out of all stretches without preemption or interrupts that it was in when the function was called.
/// `pause` gives other threads the CPU for a moment.
pub fn wait_for_grace_period(pause: impl FnMut(), _: &MayWait) {
    let cpus = registry::online().map(|cpu| (cpu, PASSED.of(cpu)));
    let ask = |cpu: &super::Cpu| {
        deferred::defer(cpu, DeferredWork::Pass);
        // The CPU looks for deferred work at the end of this interrupt.
        cpu.wake_up();
    };
    GRACE_PERIODS.wait(cpus, ask, pause);
}

/// Registers the work that a CPU does when it is asked.
pub(super) fn register() {
    deferred::register_deferred(DeferredWork::Pass, pass);
}

/// Notes that this CPU is in no stretch without preemption: otherwise it would not do deferred work.
fn pass() {
    GRACE_PERIODS.pass(PASSED.here(&InterruptsOff::new()));
}
