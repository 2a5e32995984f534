//! The exports about time and timers.
use super::pointer;
use super::thread_only;
use crate::arch::InterruptsOff;
use crate::clock;
use crate::cpu;
use crate::drivers::report_misuse;
use crate::threads::driver_timers::{self, Callback, TimerError, TimerId};
use crate::threads::misuses::Misuse;
use abi::{KERNEL_LONGEST_DELAY, TimerCallback};
use core::ffi::{c_int, c_void};
use units::CpuId;

/// What an export returns for arguments that it refuses.
const NONE: c_int = -1;
/// The CPU of a timer that belongs to the calling CPU.
const THIS_CPU: c_int = -1;

pub extern "C" fn get_time() -> u64 {
    clock::time_ns()
}

pub extern "C" fn delay(nanoseconds: u64) {
    if nanoseconds > KERNEL_LONGEST_DELAY && InterruptsOff::are_off() {
        let description = format_args!("called Kernel_Delay for {nanoseconds} ns with interrupts off");
        report_misuse::report(Misuse::LongDelay, description);
        return;
    }
    let start = clock::time_ns();
    while clock::time_ns().saturating_sub(start) < nanoseconds {
        core::hint::spin_loop();
    }
}

pub unsafe extern "C" fn create_timer(callback: TimerCallback, context: *mut c_void, cpu: c_int) -> c_int {
    let create = || {
        let callback = callback.filter(|callback| pointer::is_code(*callback as *const ()))?;
        let cpu = match cpu {
            THIS_CPU => cpu::current(),
            cpu => cpu::get(CpuId(u32::try_from(cpu).ok()?))?,
        };
        if !cpu.is_online() {
            return None;
        }
        // SAFETY: the callback is code of a driver, which vouches for calling it with this context.
        let callback = unsafe { Callback::new(callback, context) };
        driver_timers::create(cpu, callback).ok()
    };
    if !thread_only::may_wait("Kernel_CreateTimer") {
        return NONE;
    }
    create().map_or(NONE, |id| id.0 as c_int)
}

pub extern "C" fn set_timer(timer: c_int, when: u64, period: u64) -> bool {
    // A negative number is above every id, and so is refused.
    driver_timers::set(TimerId(timer as u32), when, period, |error| refuse("Kernel_SetTimer", timer, error))
}

pub extern "C" fn destroy_timer(timer: c_int) -> bool {
    if !thread_only::may_wait("Kernel_DestroyTimer") {
        return false;
    }
    match driver_timers::destroy(TimerId(timer as u32)) {
        Ok(()) => true,
        Err(error) => refuse("Kernel_DestroyTimer", timer, error),
    }
}

/// Reports that a driver named a timer which it does not have. Returns false.
#[cold]
#[inline(never)]
fn refuse(function: &str, timer: c_int, error: TimerError) -> bool {
    let (misuse, whose) = match error {
        TimerError::Foreign => (Misuse::ForeignTimer, "is another driver's"),
        _ => (Misuse::NoSuchTimer, "does not exist"),
    };
    report_misuse::report(misuse, format_args!("called {function} for timer {timer:#x}, which {whose}"));
    // A compiler that knew the result would not end the caller with this call, and so save a register on the hot path.
    core::hint::black_box(false)
}
