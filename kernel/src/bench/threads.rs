//! Benchmarks of threads: switching, waking, creating, and the tick. All run on one CPU, whose tick they stop.
use super::report;
use crate::arch;
use crate::cpu;
use crate::threads::Semaphore;
use crate::threads::cpu_threads;
use crate::threads::thread::{Start, ThreadId};
use crate::threads::{join, lifecycle, scheduler, tick};
use core::ffi::c_void;
use core::sync::atomic::{AtomicBool, Ordering};
use scheduling::CpuSet;

/// Rounds of each benchmark, after as many to warm up.
const ROUNDS: u64 = 1000;
/// Threads that are created and joined.
const LIVES: u64 = 100;

static STOP: AtomicBool = AtomicBool::new(false);
static PING: Semaphore = Semaphore::new(0);
static PONG: Semaphore = Semaphore::new(0);

/// Runs the benchmarks of threads. From then on, the running thread may run only on its CPU.
pub fn run() {
    let here = CpuSet::from_iter([cpu::current().id]);
    // The call succeeds: the thread exists and its CPU is online.
    let _ = lifecycle::set_affinity(cpu_threads::current_thread().id, &here);
    tick::stop();
    switch_by_yield(&here);
    switch_by_wake(&here);
    create_and_join();
    tick();
    super::interrupts::run();
    super::interrupts::setup();
    tick::start();
}

/// Creates a thread that calls `work`, which ignores its argument, on this CPU.
fn partner(work: unsafe extern "C" fn(*mut c_void) -> i32, here: &CpuSet) -> Option<ThreadId> {
    STOP.store(false, Ordering::Relaxed);
    // SAFETY: every `work` of this file ignores its argument.
    let start = unsafe { Start::new(work, core::ptr::null_mut()) };
    let thread = lifecycle::create("partner", start, None).ok()?;
    lifecycle::set_affinity(thread, here).ok()?;
    Some(thread)
}

unsafe extern "C" fn yield_back(_: *mut c_void) -> i32 {
    while !STOP.load(Ordering::Relaxed) {
        scheduler::yield_now();
    }
    0
}

/// Measures two threads that yield to each other: two switches a round.
fn switch_by_yield(here: &CpuSet) {
    let Some(partner) = partner(yield_back, here) else { return };
    (0..ROUNDS).for_each(|_| scheduler::yield_now());
    let start = arch::ticks();
    (0..ROUNDS).for_each(|_| scheduler::yield_now());
    report("thread.switch.yield", arch::ticks() - start, 2 * ROUNDS);
    STOP.store(true, Ordering::Relaxed);
    let _ = join::join(partner);
}

unsafe extern "C" fn answer(_: *mut c_void) -> i32 {
    while !STOP.load(Ordering::Relaxed) {
        PING.acquire();
        PONG.release();
    }
    0
}

/// Measures two threads that wake each other and wait for each other: two wake-ups and two switches a round.
fn switch_by_wake(here: &CpuSet) {
    let Some(partner) = partner(answer, here) else { return };
    let round = || {
        PING.release();
        PONG.acquire();
    };
    (0..ROUNDS).for_each(|_| round());
    let start = arch::ticks();
    (0..ROUNDS).for_each(|_| round());
    report("thread.switch.wake", arch::ticks() - start, 2 * ROUNDS);
    STOP.store(true, Ordering::Relaxed);
    round();
    let _ = join::join(partner);
}

unsafe extern "C" fn nothing(_: *mut c_void) -> i32 {
    0
}

/// Measures a thread's whole life: it is created, runs, is reaped and joined.
fn create_and_join() {
    let life = || {
        // SAFETY: `nothing` ignores its argument.
        let start = unsafe { Start::new(nothing, core::ptr::null_mut()) };
        if let Ok(thread) = lifecycle::create("short", start, None) {
            let _ = join::join(thread);
        }
    };
    (0..LIVES).for_each(|_| life());
    let start = arch::ticks();
    (0..LIVES).for_each(|_| life());
    report("thread.create_join", arch::ticks() - start, LIVES);
}

/// Measures the timer's interrupt when no other thread waits, from the interrupted instruction to the next.
fn tick() {
    (0..ROUNDS).for_each(|_| arch::interrupt_as_the_timer_does());
    let start = arch::ticks();
    (0..ROUNDS).for_each(|_| arch::interrupt_as_the_timer_does());
    report("irq.tick", arch::ticks() - start, ROUNDS);
}
