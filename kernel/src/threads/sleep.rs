//! Sleeping until a time, and waking the sleepers whose time has come.
use super::cpu_threads::{self, CpuThreads};
use super::scheduler;
use crate::arch::InterruptsOff;
use crate::clock;

/// Blocks the running thread for at least `time_ns` nanoseconds.
#[track_caller]
pub fn sleep_ns(time_ns: u64) {
    scheduler::assert_may_wait();
    let off = InterruptsOff::new();
    let wake_at = time_after(time_ns, &off);
    scheduler::block(cpu_threads::current().sleepers.push(cpu_threads::current_thread(), wake_at, &off));
}

/// How long a thread of a driver sleeps before it looks whether the driver is being stopped.
const LOOK_NS: u64 = 100_000_000;

/// Blocks the running thread as [`sleep_ns`] does, but returns soon after a stop of its driver has begun.
#[track_caller]
pub fn sleep_for_driver_ns(time_ns: u64) {
    let end = clock::time_ns().saturating_add(time_ns);
    let mut left = time_ns;
    loop {
        sleep_ns(left.min(LOOK_NS));
        left = end.saturating_sub(clock::time_ns());
        if left == 0 || cpu_threads::current_thread().is_leaving() {
            return;
        }
    }
}

/// Returns the time that is `time_ns` nanoseconds away, by the clock of this CPU. The caller stays on this CPU until
/// it is among the CPU's sleepers.
pub fn time_after(time_ns: u64, _: &InterruptsOff) -> u64 {
    clock::now_here().saturating_add(clock::ticks_in_ns(time_ns))
}

/// The most sleepers that one tick wakes. However many sleep, interrupts stay off no longer than these take.
const MOST_AT_ONCE: usize = 3;

/// Wakes the first of the CPU's sleepers whose time has come at `now`, up to [`MOST_AT_ONCE`]. Returns true if the time of another one has
/// come, too. The CPU itself calls this, with interrupts off.
#[inline(always)]
pub fn wake_due(cpu: &'static CpuThreads, now: u64) -> bool {
    for _ in 0..MOST_AT_ONCE {
        match cpu.sleepers.take_due(now) {
            Some(thread) => scheduler::wake(thread),
            None => return false,
        }
    }
    cpu.sleepers.is_any_due(now)
}
