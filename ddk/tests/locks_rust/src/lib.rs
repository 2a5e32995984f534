//! locks_rust: threads on all CPUs count under each lock of `driver_kit`, without unsafe code. The driver refuses to start if a
//! count is wrong, or if a wait or a timer ends at the wrong time.
#![no_std]
#![forbid(unsafe_code)]

use core::ffi::c_int;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use driver_kit::driver::Refusal;
use driver_kit::per_cpu::PerCpu;
use driver_kit::sync::{Completion, Event, Mutex, Semaphore, SpinLock};
use driver_kit::thread::{self, Cpu, Thread};
use driver_kit::timer::Timer;
use driver_kit::{error, info, time};

driver_kit::driver! { init = start }

const ROUNDS: u64 = 5000;
const MILLISECOND: u64 = 1_000_000;

static ERRORS: AtomicU32 = AtomicU32::new(0);

fn check(holds: bool, what: &str) {
    if !holds {
        error!("this does not hold: {what}");
        ERRORS.fetch_add(1, Ordering::Relaxed);
    }
}

/// What the locks guard.
struct Counts {
    begun: Event,
    next_cpu: AtomicU32,
    by_spin: SpinLock<u64>,
    by_mutex: Mutex<u64>,
    semaphore: Semaphore,
    by_semaphore: AtomicU64,
}

static COUNTS: Counts = Counts {
    begun: Event::new(),
    next_cpu: AtomicU32::new(0),
    by_spin: SpinLock::new(0),
    by_mutex: Mutex::new(0),
    semaphore: Semaphore::new(1),
    by_semaphore: AtomicU64::new(0),
};

fn count(counts: &Counts) -> c_int {
    let cpu = counts.next_cpu.fetch_add(1, Ordering::Relaxed) as Cpu % thread::cpus();
    // A CPU that is not online has none of its threads there; they count where they are.
    let _ = thread::move_here_to(cpu);
    counts.begun.wait();
    for _ in 0..ROUNDS {
        *counts.by_spin.lock() += 1;
        *counts.by_mutex.lock() += 1;
        counts.semaphore.down();
        // Two steps: without the semaphore, counts would be lost.
        let before = counts.by_semaphore.load(Ordering::Relaxed);
        counts.by_semaphore.store(before + 1, Ordering::Relaxed);
        counts.semaphore.up();
    }
    0
}

fn counts_on_all_cpus() -> Option<()> {
    let mut threads = [const { None }; 32];
    let wanted = (2 * thread::cpus() as usize).min(threads.len());
    for entry in &mut threads[..wanted] {
        *entry = Some(Thread::create(c"count", None, &COUNTS, count)?);
    }
    COUNTS.begun.set();
    for thread in threads.into_iter().flatten() {
        check(thread.join() == Some(0), "a thread that counts is joined");
    }
    let expected = wanted as u64 * ROUNDS;
    check(*COUNTS.by_spin.lock() == expected, "the spin lock loses no count");
    check(*COUNTS.by_mutex.lock() == expected, "the mutex loses no count");
    check(COUNTS.by_semaphore.load(Ordering::Relaxed) == expected, "the semaphore loses no count");
    Some(())
}

/// What a timer's callback has seen.
struct Expiry {
    due: AtomicU64,
    calls: AtomicU32,
    first: Completion,
}

static EXPIRY: Expiry = Expiry { due: AtomicU64::new(0), calls: AtomicU32::new(0), first: Completion::new() };

fn timers_are_due() -> Option<()> {
    let timer = Timer::create(None, &EXPIRY, |expiry| {
        check(time::now_ns() >= expiry.due.load(Ordering::Relaxed), "a timer is not early");
        if expiry.calls.fetch_add(1, Ordering::Relaxed) == 0 {
            expiry.first.complete(9);
        }
    })?;
    let due = time::now_ns() + 2 * MILLISECOND;
    EXPIRY.due.store(due, Ordering::Relaxed);
    timer.set_each(due, MILLISECOND / 2);
    check(EXPIRY.first.wait() == 9, "a completion has its status");
    while EXPIRY.calls.load(Ordering::Relaxed) < 5 {
        thread::sleep_ns(MILLISECOND);
    }
    drop(timer);
    let calls = EXPIRY.calls.load(Ordering::Relaxed);
    thread::sleep_ns(3 * MILLISECOND);
    check(EXPIRY.calls.load(Ordering::Relaxed) == calls, "a timer that was dropped is not due");
    Some(())
}

fn waits_time_out() {
    let start = time::now_ns();
    check(!Event::new().wait_for(3 * MILLISECOND), "an event that nobody sets");
    check(!Semaphore::new(0).down_for(3 * MILLISECOND), "a semaphore without units");
    check(Completion::new().wait_for(3 * MILLISECOND).is_none(), "a completion that nobody ends");
    check(time::now_ns() - start >= 9 * MILLISECOND, "no wait is too short");
    check(Semaphore::new(1).down_for(0), "a unit that is there");
    let mutex = Mutex::new(());
    let guard = mutex.lock();
    check(mutex.try_lock().is_none(), "a mutex that is held");
    drop(guard);
    check(mutex.try_lock().is_some(), "a mutex that is free");
}

fn start() -> Result<(), Refusal> {
    counts_on_all_cpus().ok_or(Refusal(-1))?;
    timers_are_due().ok_or(Refusal(-2))?;
    waits_time_out();
    let values = PerCpu::new(|cpu| AtomicU32::new(cpu as u32)).ok_or(Refusal(-3))?;
    for cpu in 0..thread::cpus() {
        check(
            values.of(cpu).is_some_and(|value| value.load(Ordering::Relaxed) == cpu as u32),
            "a CPU has its value",
        );
    }
    check(values.of(thread::cpus()).is_none() && values.of(-1).is_none(), "no other CPU has a value");
    info!("done, {} errors", ERRORS.load(Ordering::Relaxed));
    match ERRORS.load(Ordering::Relaxed) {
        0 => Ok(()),
        errors => Err(Refusal(-100 - errors as c_int)),
    }
}
