//! The timer of a CPU as the tick sets it, and until when it stays set.
use super::cpu_threads::CpuThreads;
use crate::arch;
use crate::clock;
use core::sync::atomic::Ordering;

/// Milliseconds between two ticks of a CPU that is not idle.
const TICK_MS: u64 = 1;

/// The time from one tick to the next, in nanoseconds.
pub const LENGTH_NS: u64 = TICK_MS * 1_000_000;

/// A tick that leaves sleepers whose time has come is followed by the next one after this part of a millisecond, 5 us. The
/// running thread goes on in between, and other interrupts come.
const LATE_TICKS_PER_MS: u64 = 200;

/// What `CpuThreads::tick_at` is while the timer is not set for a tick.
pub const NO_TICK: u64 = u64::MAX;

/// Returns the time from one tick to the next, in ticks of the clock.
pub fn length() -> u64 {
    arch::ticks_per_ms() * TICK_MS
}

/// Returns the time to a tick that does what one before it has left, in ticks of the clock.
pub fn early() -> u64 {
    arch::ticks_per_ms() / LATE_TICKS_PER_MS
}

/// Sets the timer of `cpu`, the calling CPU, for a tick or something earlier, `until` ticks of the clock after `now`. Interrupts are off, as
/// for all functions of this file.
#[inline]
pub fn set(cpu: &CpuThreads, now: u64, until: u64) {
    cpu.tick_at.store(now.saturating_add(until), Ordering::Relaxed);
    arch::set_timer(until);
}

/// Notes that the timer of `cpu`, the calling CPU, has interrupted it, or is set for something else.
#[inline]
pub fn clear(cpu: &CpuThreads) {
    cpu.tick_at.store(NO_TICK, Ordering::Relaxed);
}

/// Returns true if the timer of `cpu`, the calling CPU, is set for a tick.
#[inline]
pub fn is_set(cpu: &CpuThreads) -> bool {
    cpu.tick_at.load(Ordering::Relaxed) != NO_TICK
}

/// Returns true if the timer of `cpu`, the calling CPU, interrupts it before a sleeper or a timer of a driver is due, because it is set for a
/// tick. Then a CPU that halts leaves it so: most halts are short, and the tick would be set again behind them.
#[inline]
pub fn is_set_soon(cpu: &CpuThreads) -> bool {
    let tick_at = cpu.tick_at.load(Ordering::Relaxed);
    is_set(cpu) && tick_at < soonest_due(cpu)
}

/// Returns when the first sleeper or timer of a driver of this CPU may be due; `u64::MAX` if there is none.
#[inline]
pub fn soonest_due(cpu: &CpuThreads) -> u64 {
    cpu.sleepers.look_at().min(cpu.timer_times.next.load(Ordering::Relaxed))
}

/// Sets the timer for the next tick of `cpu`, the calling CPU, which is about to run a thread after a halt. A tick that was left set when the
/// CPU halted stays; one that came meanwhile has set no other.
#[inline]
pub fn start_after_halt(cpu: &CpuThreads) {
    if !is_set(cpu) {
        start_anew(cpu);
    }
}

#[inline(never)]
fn start_anew(cpu: &CpuThreads) {
    let now = clock::now_here();
    // Only this CPU writes the flag.
    if cpu.timer_times.next.load(Ordering::Relaxed) != u64::MAX {
        cpu.timer_times.tick.store(now.saturating_add(length()), Ordering::Relaxed);
        request_next(cpu, now, u64::MAX, early());
    } else if cpu.has_late_sleepers.load(Ordering::Relaxed) {
        cpu.has_late_sleepers.store(false, Ordering::Relaxed);
        set(cpu, now, early());
    } else {
        set(cpu, now, length());
    }
}

/// Requests an interrupt at `soonest`, at the tick or for the next timer, whichever is first, and not sooner than `late_ticks`.
pub fn request_next(cpu: &CpuThreads, now: u64, soonest: u64, late_ticks: u64) {
    let times = &cpu.timer_times;
    let next = times.tick.load(Ordering::Relaxed).min(times.next.load(Ordering::Relaxed)).min(soonest);
    set(cpu, now, next.saturating_sub(now).max(late_ticks));
}
