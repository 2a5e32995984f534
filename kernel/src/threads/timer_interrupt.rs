//! The timer's interrupt near a timer of a driver: it calls callbacks, and comes when the next one is due instead of at the tick.
use super::cpu_threads::CpuThreads;
use super::driver_timers;
use super::sleep;
use super::tick_timer;
use crate::arch::InterruptsOff;
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
        tick_timer::request_next(cpu, now, soonest, late_ticks);
    }
    Seen { is_tick, has_late }
}
