//! The tick: the timer's interrupt wakes sleepers, sends lines of the log that wait, counts the time slice, and offers work to idle CPUs.
use super::cpu_threads::{self, CpuThreads};
use super::ending;
use super::scheduler;
use super::sleep;
use super::tick_timer::{self, early, length};
use super::timer_interrupt;
use super::watchdog;
use crate::arch::{self, InterruptsOff};
use crate::clock;
use crate::cpu::{self, DeferredWork};
use crate::report;
use core::sync::atomic::Ordering;

/// Registers the handlers of the timer's interrupt and of the switch that it defers.
pub fn register() {
    cpu::interrupts::register(arch::vectors::TIMER, tick);
    cpu::register_deferred(DeferredWork::Switch, scheduler::end_slice);
    cpu::interrupts::end_threads_with(ending::end_if_due);
}

/// Sets the timer for this CPU's next tick.
pub fn start() {
    let _off = InterruptsOff::new();
    tick_timer::set(cpu_threads::current(), clock::now_here(), length());
}

/// Returns true if a tick is set for this CPU, as for each CPU that runs a thread.
pub fn is_set() -> bool {
    let _off = InterruptsOff::new();
    tick_timer::is_set(cpu_threads::current())
}

/// Stops this CPU's tick until the next call of [`start`].
pub fn stop() {
    let _off = InterruptsOff::new();
    tick_timer::clear(cpu_threads::current());
    arch::stop_timer();
}

#[inline(always)]
fn tick(off: &InterruptsOff) {
    let cpu = cpu_threads::current();
    // Set again below, or when the CPU leaves its idle thread.
    tick_timer::clear(cpu);
    watchdog::count_tick(cpu);
    let now = clock::now_here();
    if now >= cpu.timer_times.look.load(Ordering::Relaxed) {
        return tick_near_timer(cpu, off);
    }
    let has_late_sleepers = sleep::wake_due(cpu, now);
    if !has_late_sleepers && report::is_waiting() {
        report::send_some();
    }
    if cpu.is_idling_here() {
        // The idle thread sets the timer before it runs what was woken.
        if has_late_sleepers {
            cpu.has_late_sleepers.store(true, Ordering::Relaxed);
        }
        return;
    }
    tick_timer::set(cpu, now, if has_late_sleepers { early() } else { length() });
    // Of ticks that follow each other early, the last one is the one that counts for the time slice.
    end_tick(cpu, !has_late_sleepers);
}

/// Does the work of [`tick`] on a CPU with a timer that is due before the next tick.
#[cold]
#[inline(never)]
fn tick_near_timer(cpu: &'static CpuThreads, off: &InterruptsOff) {
    let seen = timer_interrupt::run(cpu, early(), length(), off);
    if !seen.has_late && report::is_waiting() {
        report::send_some();
    }
    if !cpu.is_idling_here() {
        end_tick(cpu, seen.is_tick);
    }
}

/// Has the CPU run another thread if the running one may not stay, or if its time slice is over. `counts` says whether this interrupt
/// counts for the time slice.
#[inline(always)]
fn end_tick(cpu: &'static CpuThreads, counts: bool) {
    let thread = cpu_threads::current_thread();
    if counts {
        thread.count_tick();
    }
    if !thread.may_run_on(cpu.id()) {
        cpu::defer(cpu.cpu(), DeferredWork::Switch);
        return;
    }
    if cpu.queue.queued() == 0 || !counts {
        return;
    }
    let left = cpu.slice.load(Ordering::Relaxed).saturating_sub(1);
    cpu.slice.store(left, Ordering::Relaxed);
    if left == 0 {
        cpu::defer(cpu.cpu(), DeferredWork::Switch);
    }
    scheduler::offer_work(cpu);
}
