//! The tick: the timer's interrupt wakes sleepers, sends lines of the log that wait, counts the time slice, and offers work to idle CPUs.
use super::cpu_threads::{self, CpuThreads};
use super::ending;
use super::scheduler;
use super::sleep;
use super::timer_interrupt;
use super::watchdog;
use crate::arch::{self, InterruptsOff};
use crate::clock;
use crate::cpu::{self, DeferredWork};
use crate::report;
use core::sync::atomic::Ordering;

/// Milliseconds between two ticks of a CPU that is not idle.
const TICK_MS: u64 = 1;

/// A tick that leaves sleepers whose time has come is followed by the next one after this part of a millisecond, 5 us. The
/// running thread goes on in between, and other interrupts come.
const LATE_TICKS_PER_MS: u64 = 200;

/// Registers the handlers of the timer's interrupt and of the switch that it defers.
pub fn register() {
    cpu::interrupts::register(arch::vectors::TIMER, tick);
    cpu::register_deferred(DeferredWork::Switch, scheduler::end_slice);
    cpu::interrupts::end_threads_with(ending::end_if_due);
}

/// Sets the timer for this CPU's next tick.
#[inline]
pub fn start() {
    arch::set_timer(length());
}

/// Returns the time from one tick to the next, in ticks of the clock.
pub fn length() -> u64 {
    arch::ticks_per_ms() * TICK_MS
}

/// Sets the timer for a tick that wakes further sleepers.
fn start_early() {
    arch::set_timer(early());
}

/// Returns the time to a tick that does what one before it has left, in ticks of the clock.
fn early() -> u64 {
    arch::ticks_per_ms() / LATE_TICKS_PER_MS
}

/// Sets the timer for the next tick of `cpu`, the calling CPU, which is about to leave its idle thread.
pub(super) fn start_after_idle(cpu: &'static CpuThreads) {
    // Only this CPU writes the flag.
    if cpu.timer_times.next.load(Ordering::Relaxed) != u64::MAX {
        timer_interrupt::request_after_idle(cpu, early(), length());
    } else if cpu.has_late_sleepers.load(Ordering::Relaxed) {
        cpu.has_late_sleepers.store(false, Ordering::Relaxed);
        start_early();
    } else {
        start();
    }
}

#[inline(always)]
fn tick(off: &InterruptsOff) {
    let cpu = cpu_threads::current();
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
    if has_late_sleepers {
        start_early()
    } else {
        start()
    }
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
    if !cpu_threads::current_thread().may_run_on(cpu.id()) {
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
