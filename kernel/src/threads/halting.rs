//! Halting a CPU that has nothing to run, and threads that an interrupt hands over to it: a thread that ran there last goes on as soon as the
//! interrupt has ended, without a queue.
use super::cpu_sets::{IDLE, QUEUED};
use super::cpu_threads::{self, CpuThreads};
use super::thread::Thread;
use super::tick_timer;
use crate::arch::{self, InterruptsOff};
use crate::cpu;
use core::ptr;
use core::sync::atomic::Ordering;
use run_queue::Blocked;

/// Halts `cpu`, the calling CPU, until an interrupt comes, unless a thread is queued here by then. Returns the thread that an interrupt has
/// handed over, for the CPU to run it. The CPU counts as idle meanwhile: its idle thread is its running thread. `set_timer` is called
/// before the halt.
#[inline(always)]
pub fn halt(cpu: &CpuThreads, off: &InterruptsOff, set_timer: impl FnOnce()) -> Option<&'static Thread> {
    run_queue::halt_if_nothing_queued(&IDLE, &cpu.queue, || {
        set_timer();
        cpu.after_halt.store(ptr::from_ref(cpu.idle_thread()).cast_mut(), Ordering::Relaxed);
        cpu::idle(off);
    });
    let thread = cpu.after_halt.load(Ordering::Relaxed).cast_const();
    cpu.after_halt.store(ptr::null_mut(), Ordering::Relaxed);
    // SAFETY: null if the CPU has not halted. Otherwise this function or `hand_over` has stored a `&'static Thread`.
    unsafe { thread.as_ref() }.filter(|thread| !ptr::eq(*thread, cpu.idle_thread()))
}

/// Halts `cpu`, the calling CPU, as [`halt`] does, on the stack of its running thread, which is blocked. Most threads block for a short time,
/// and two switches cost more than the rest. Returns `None` at once if there may be something else to do, and behind the next tick at the
/// latest: then the idle thread goes on.
#[inline]
pub fn halt_briefly(
    cpu: &CpuThreads,
    blocked: &'static Thread,
    off: &InterruptsOff,
) -> Option<&'static Thread> {
    if !tick_timer::is_set_soon(cpu) || !QUEUED.is_empty() {
        return None;
    }
    // No other CPU runs the thread meanwhile, because this one stands on its stack.
    arch::set_current_task(cpu.idle_thread());
    let next = halt(cpu, off, || {});
    arch::set_current_task(blocked);
    next
}

/// Returns true if `cpu`, the calling CPU, has nothing else to do than its running thread, and its next tick comes before a sleeper or a
/// timer of a driver is due.
#[inline(always)]
pub fn may_halt_in_place(cpu: &CpuThreads, _: &InterruptsOff) -> bool {
    cpu.queue.queued() == 0 && tick_timer::is_set_soon(cpu) && QUEUED.is_empty()
}

/// Halts `cpu`, the calling CPU, until the next interrupt, unless a thread is queued here by then. Its running thread goes on behind that, and
/// is not blocked. The CPU counts as idle meanwhile. No interrupt hands a thread over here: it queues it.
#[inline(always)]
pub fn halt_in_place(cpu: &CpuThreads, thread: &'static Thread, off: &InterruptsOff) {
    arch::set_current_task(cpu.idle_thread());
    run_queue::halt_if_nothing_queued(&IDLE, &cpu.queue, || cpu::idle(off));
    arch::set_current_task(thread);
}

/// Hands a blocked thread over to this CPU, if the CPU halts and the thread ran here last. Otherwise returns the thread.
#[inline(always)]
pub fn hand_over(thread: Blocked<Thread>, _: &InterruptsOff) -> Result<(), Blocked<Thread>> {
    let cpu = cpu_threads::current();
    // The idle thread is the running thread then, unless a thread was handed over already.
    if !ptr::eq(cpu.after_halt.load(Ordering::Relaxed), cpu_threads::current_thread()) {
        return Err(thread);
    }
    let thread = run_queue::hand_over(&IDLE, &cpu.queue, thread)?;
    cpu.after_halt.store(ptr::from_ref(thread).cast_mut(), Ordering::Relaxed);
    Ok(())
}
