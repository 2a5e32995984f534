//! The tick: the timer's interrupt wakes sleepers, sends lines of the log that wait, counts the time slice, and offers work to idle CPUs.
use super::cpu_threads;
use super::scheduler;
use super::sleep;
use crate::arch;
use crate::cpu::{self, DeferredWork};
use crate::report;
use core::sync::atomic::Ordering;

/// Milliseconds between two ticks of a CPU that is not idle.
const TICK_MS: u64 = 1;

/// Registers the handlers of the timer's interrupt and of the switch that it defers.
pub fn register() {
    cpu::interrupts::register(arch::vectors::TIMER, |_| tick());
    cpu::register_deferred(DeferredWork::Switch, scheduler::end_slice);
}

/// Sets the timer for this CPU's next tick.
pub fn start() {
    arch::set_timer(length());
}

/// Returns the time from one tick to the next, in ticks of the clock.
pub fn length() -> u64 {
    arch::ticks_per_ms() * TICK_MS
}

#[inline(always)]
fn tick() {
    let cpu = cpu_threads::current();
    sleep::wake_due(cpu);
    if report::is_waiting() {
        report::send_some();
    }
    if cpu.is_idling_here() {
        return;
    }
    start();
    if !cpu_threads::current_thread().may_run_on(cpu.id()) {
        cpu::defer(cpu.cpu(), DeferredWork::Switch);
        return;
    }
    if cpu.queue.queued() == 0 {
        return;
    }
    let left = cpu.slice.load(Ordering::Relaxed).saturating_sub(1);
    cpu.slice.store(left, Ordering::Relaxed);
    if left == 0 {
        cpu::defer(cpu.cpu(), DeferredWork::Switch);
    }
    scheduler::offer_work(cpu);
}
