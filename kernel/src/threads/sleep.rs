//! Sleeping until a time, and waking the sleepers whose time has come.
use super::cpu_threads::{self, CpuThreads};
use super::scheduler;
use crate::arch;

/// Blocks the running thread for at least `time_ns` nanoseconds.
#[track_caller]
pub fn sleep_ns(time_ns: u64) {
    scheduler::assert_may_wait();
    let wake_at = time_after(time_ns);
    let _off = arch::InterruptsOff::new();
    let mut sleepers = cpu_threads::current().sleepers.lock();
    sleepers.push(cpu_threads::current_thread(), wake_at);
    scheduler::block(sleepers);
}

/// Returns the time that is `time_ns` nanoseconds away, in ticks of this CPU's time stamp counter.
pub fn time_after(time_ns: u64) -> u64 {
    let ticks = u128::from(time_ns) * u128::from(arch::ticks_per_ms()) / 1_000_000;
    arch::ticks().saturating_add(u64::try_from(ticks).unwrap_or(u64::MAX))
}

/// Wakes the CPU's sleepers whose time has come. The CPU itself calls this, with interrupts off.
pub fn wake_due(cpu: &'static CpuThreads) {
    let now = arch::ticks();
    loop {
        let due = cpu.sleepers.lock().take_due(now);
        match due {
            Some(thread) => scheduler::wake(thread),
            None => return,
        }
    }
}
