//! The timer's interrupt near a timer of a driver: it calls callbacks, and comes when the next one is due instead of at the tick.
use super::cpu_threads::CpuThreads;
use super::driver_timers;
use super::sleep;
use crate::arch::{self, InterruptsOff};
use crate::clock;
use core::sync::atomic::Ordering;

/// What the tick is to do after the timers.
pub struct Seen {
    /// This interrupt is the regular tick, or comes after its time.
    pub is_tick: bool,
    /// Sleepers or timers whose time has come are left to the next interrupt, which comes soon.
    pub has_late: bool,
}

/// Calls the timers that are due on this CPU, and wakes its sleepers. Requests the next interrupt, unless the CPU idles.
pub fn run(cpu: &'static CpuThreads, late_ticks: u64, tick_length: u64, off: &InterruptsOff) -> Seen {
    let has_late_timers = driver_timers::run_due(cpu, off);
    let now = clock::now_here();
    let has_late_sleepers = sleep::wake_due(cpu, now);
    let has_late = has_late_timers || has_late_sleepers;
    let is_tick = now >= cpu.timer_times.tick.load(Ordering::Relaxed);
    if !cpu.is_idling_here() {
        if is_tick {
            cpu.timer_times.tick.store(now.saturating_add(tick_length), Ordering::Relaxed);
        }
        let soonest = if has_late { now } else { u64::MAX };
        request_next(cpu, now, soonest, late_ticks);
    }
    Seen { is_tick, has_late }
}

/// Requests the first interrupt of a CPU that leaves its idle thread and has a timer set: at the tick, or for the timer.
pub fn request_after_idle(cpu: &'static CpuThreads, late_ticks: u64, tick_length: u64) {
    let now = clock::now_here();
    cpu.timer_times.tick.store(now.saturating_add(tick_length), Ordering::Relaxed);
    request_next(cpu, now, u64::MAX, late_ticks);
}

/// Requests an interrupt at `soonest`, at the tick or for the next timer, whichever is first, and not sooner than `late_ticks`.
fn request_next(cpu: &'static CpuThreads, now: u64, soonest: u64, late_ticks: u64) {
    let times = &cpu.timer_times;
    let next = times.tick.load(Ordering::Relaxed).min(times.next.load(Ordering::Relaxed)).min(soonest);
    arch::set_timer(next.saturating_sub(now).max(late_ticks));
}
