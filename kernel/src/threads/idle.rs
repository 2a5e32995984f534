//! The idle thread of a CPU: it runs the CPU's own threads, takes threads from busy CPUs, nearest first, and halts otherwise.
use super::cpu_threads::{self, CpuThreads};
use super::scheduler::{self, ThisMachine};
use super::thread::Thread;
use super::tick;
use crate::arch;
use crate::clock;
use crate::cpu;
use crate::memory::cpu_memory;
use crate::report;

/// Runs the idle thread. Interrupts are off except while the CPU halts.
pub fn run() -> ! {
    let cpu = cpu_threads::current();
    loop {
        if let Some(thread) = cpu.queue.take_next(cpu.idle_thread()).or_else(|| steal(cpu)) {
            tick::start();
            scheduler::leave_idle(cpu, thread);
            continue;
        }
        cpu_memory::drain_cache();
        run_queue::halt_if_nothing_queued(&ThisMachine, cpu.id(), || {
            set_timer_for_sleepers(cpu);
            cpu::idle();
        });
    }
}

/// Sets the timer for the first sleeper, or stops it. An idle CPU needs no other tick, unless lines of the log wait for one.
fn set_timer_for_sleepers(cpu: &CpuThreads) {
    let sleepers =
        cpu.sleepers.lock().next_wake().map(|wake_at| wake_at.saturating_sub(clock::now_here()).max(1));
    let lines = report::is_waiting().then(tick::length);
    match [sleepers, lines].into_iter().flatten().min() {
        Some(ticks) => arch::set_timer(ticks),
        None => arch::stop_timer(),
    }
}

/// Takes a thread that may run here from the nearest CPU that has one to spare. A CPU that runs its idle thread is about to run
/// its first queued thread, which is left to it.
fn steal(thief: &CpuThreads) -> Option<&'static Thread> {
    let victims = scheduler::cpu_map()?.victims(thief.id(), thief.cpu().node).filter_map(cpu_threads::get);
    let mut busy = victims.filter(|victim| victim.queue.queued() > u32::from(victim.is_idling()));
    busy.find_map(|victim| victim.queue.take_for(thief.id()))
}

/// Begins the boot CPU's idle thread. The other CPUs call [`run`] when they have started.
pub extern "C" fn main() -> ! {
    run()
}
