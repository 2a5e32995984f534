//! Sleeping until a time, and waking those whose time has come.
use super::cpu_threads::{self, CpuThreads};
use super::scheduler;
use crate::arch::InterruptsOff;
use crate::clock;

/// Blocks the running thread for at least `time_ns` nanoseconds.
pub fn sleep_ns(time_ns: u64) {
    let _off = InterruptsOff::new();
    let wake_at = clock::now_here().saturating_add(clock::ticks_in_ns(time_ns));
    let mut sleepers = cpu_threads::current().sleepers.lock();
    sleepers.push(cpu_threads::current_thread(), wake_at);
    scheduler::block(sleepers);
}

/// Wakes the CPU's sleepers whose time has come. The CPU itself calls this, with interrupts off.
pub fn wake_due(cpu: &'static CpuThreads) {
    let now = clock::now_here();
    loop {
        let due = cpu.sleepers.lock().take_due(now);
        match due {
            Some(thread) => scheduler::wake(thread),
            None => return,
        }
    }
}
