//! The idle thread of a CPU: it runs the CPU's own threads, takes threads from busy CPUs, nearest first, and halts otherwise.
use super::cpu_sets::QUEUED;
use super::cpu_threads::{self, CpuThreads};
use super::halting;
use super::scheduler::{self, ThisMachine};
use super::thread::Thread;
use super::tick_timer;
use super::trimmer;
use super::watchdog;
use crate::arch::{self, InterruptsOff};
use crate::clock;
use crate::memory::cpu_memory;
use crate::report;
use run_queue::Machine;

/// Runs the idle thread. Interrupts are on, except for single steps: a look at one queue, the switch, the way into the halt.
pub fn run() -> ! {
    let cpu = cpu_threads::current();
    arch::enable_interrupts();
    loop {
        if run_own_thread(cpu) || run_another_cpus_thread(cpu) {
            continue;
        }
        if trimmer::drain_before_idle() {
            continue;
        }
        cpu_memory::drain_cache();
        halt(cpu);
    }
}

/// Halts the CPU until an interrupt comes, unless a thread is queued by then. Runs the thread that an interrupt has handed over, and then
/// returns when the CPU has nothing to run again.
fn halt(cpu: &'static CpuThreads) {
    let off = InterruptsOff::new();
    if let Some(thread) = halting::halt(cpu, &off, || set_timer_before_halt(cpu)) {
        leave_idle(cpu, thread);
    }
}

/// Runs the first thread of the CPU's own queue. Returns when the CPU has nothing to run again; false if it had nothing.
fn run_own_thread(cpu: &'static CpuThreads) -> bool {
    let _off = InterruptsOff::new();
    let next = cpu.queue.take_next(cpu.idle_thread());
    match next {
        Some(thread) => leave_idle(cpu, thread),
        None => cpu.queue.leave_set_if_empty(&QUEUED),
    }
    next.is_some()
}

/// Runs a thread that may run here, of the nearest CPU that has one to spare. Returns when the CPU has nothing to run again, or
/// at once if it has a thread of its own by now; false if no CPU has a thread to spare.
fn run_another_cpus_thread(thief: &'static CpuThreads) -> bool {
    if QUEUED.is_empty() {
        return false;
    }
    let victims = QUEUED.from(thief.id(), ThisMachine.outward(thief.id()));
    for victim in victims.filter_map(cpu_threads::get) {
        let _off = InterruptsOff::new();
        if thief.queue.queued() > 0 {
            return true;
        }
        victim.queue.leave_set_if_empty(&QUEUED);
        // A CPU that runs its idle thread is about to run its first queued thread, which is left to it.
        if victim.queue.queued() > u32::from(victim.is_idling())
            && let Some(thread) = victim.queue.take_for(thief.id())
        {
            leave_idle(thief, thread);
            return true;
        }
    }
    false
}

/// Switches to `thread`, which was taken out of a queue for this CPU to run it.
fn leave_idle(cpu: &'static CpuThreads, thread: &'static Thread) {
    tick_timer::start_after_halt(cpu);
    scheduler::leave_idle(cpu, thread);
}

/// Sets the timer for the first sleeper and the next timer of a driver, or stops it, unless a tick comes before.
fn set_timer_before_halt(cpu: &CpuThreads) {
    if !tick_timer::is_set_soon(cpu) {
        tick_timer::clear(cpu);
        set_timer_without_tick(cpu);
    }
}

/// Sets the timer for the first sleeper and the next timer of a driver, or stops it. An idle CPU needs no tick, unless lines of the log wait
/// for one.
#[inline(never)]
fn set_timer_without_tick(cpu: &CpuThreads) {
    let soonest = tick_timer::soonest_due(cpu);
    let has_lines = report::is_waiting();
    let longest = watchdog::longest_halt(cpu);
    if soonest == u64::MAX && longest == u64::MAX && !has_lines {
        return arch::stop_timer();
    }
    let until = soonest.saturating_sub(clock::now_here()).max(1).min(longest);
    arch::set_timer(if has_lines { until.min(tick_timer::length()) } else { until });
}

/// Begins the boot CPU's idle thread. The other CPUs call [`run`] when they have started.
pub extern "C" fn main() -> ! {
    run()
}
