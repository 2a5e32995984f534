//! Tests that timers are due in time on each CPU, and that they end.
use super::{Outcome, ensure};
use crate::clock;
use crate::cpu;
use crate::threads::driver_timers::{self, Callback, TimerError, TimerId};
use crate::threads::sleep;
use alloc::format;
use core::ffi::c_void;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// When the callback ran last, and how often it has run.
static SEEN: AtomicU64 = AtomicU64::new(0);
static CALLS: AtomicU32 = AtomicU32::new(0);
/// The CPU on which it ran last.
static CPU: AtomicU32 = AtomicU32::new(0);

unsafe extern "C" fn note(_: *mut c_void) {
    SEEN.store(clock::time_ns(), Ordering::Relaxed);
    CPU.store(cpu::current().id.0, Ordering::Relaxed);
    CALLS.fetch_add(1, Ordering::Release);
}

const MS: u64 = 1_000_000;
/// How long the test waits for a timer on a busy host.
const PATIENCE_MS: u64 = 10_000;

/// Checks on each CPU that a timer is due once, not early, and on its CPU, whether it is set for soon, for later, or for a time that has
/// passed; and that a timer with a period goes on until it is destroyed.
pub fn are_due_in_time() -> Outcome {
    for cpu in cpu::online() {
        // SAFETY: `note` ignores its argument.
        let callback = unsafe { Callback::new(note, core::ptr::null_mut()) };
        let id = driver_timers::create(cpu, callback).map_err(|error| format!("no timer: {error:?}"))?;
        for after_ns in [MS / 10, 3 * MS, 0] {
            let due = (clock::time_ns() + after_ns).saturating_sub(MS / 100);
            set(id, due, 0)?;
            wait_for_calls(1)?;
            let (seen, on) = (SEEN.load(Ordering::Relaxed), CPU.load(Ordering::Relaxed));
            ensure!(seen >= due, "a timer of CPU {} is due at {due} ns and was called at {seen} ns", cpu.id);
            ensure!(on == cpu.id.0, "a timer of CPU {} was called on CPU {on}", cpu.id);
            CALLS.store(0, Ordering::Relaxed);
        }
        set(id, clock::time_ns(), MS / 5)?;
        wait_for_calls(10)?;
        let destroyed = driver_timers::destroy(id);
        ensure!(destroyed == Ok(()), "a timer was not destroyed: {destroyed:?}");
        CALLS.store(0, Ordering::Relaxed);
        sleep::sleep_ns(2 * MS);
        ensure!(CALLS.load(Ordering::Relaxed) == 0, "a timer of CPU {} was called after its end", cpu.id);
        let again = driver_timers::destroy(id);
        ensure!(again == Err(TimerError::NoSuchTimer), "a timer was destroyed twice: {again:?}");
    }
    Ok(())
}

fn set(id: TimerId, when: u64, period: u64) -> Outcome {
    let mut refused = None;
    driver_timers::set(id, when, period, |error| {
        refused = Some(error);
        false
    });
    ensure!(refused.is_none(), "a timer could not be set: {refused:?}");
    Ok(())
}

fn wait_for_calls(calls: u32) -> Outcome {
    for _ in 0..PATIENCE_MS {
        if CALLS.load(Ordering::Acquire) >= calls {
            return Ok(());
        }
        sleep::sleep_ns(MS);
    }
    let seen = CALLS.load(Ordering::Relaxed);
    Err(format!("a timer was called {seen} times in {PATIENCE_MS} ms, and {calls} calls are due"))
}
