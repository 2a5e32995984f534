//! Code of drivers that keeps a CPU: what a CPU does that is asked to look at what it runs.
//!
//! A CPU is asked in a non-maskable interrupt when it does not get on ([`watchdog`], [`lone_cpu`]), and when a driver has failed whose code it may run: that
//! may wait for ever for what the failed code has locked.
use super::fault_place::FaultPlace;
use super::leaving;
use super::lone_cpu;
use crate::arch::{self, Frame};
use crate::clock;
use crate::cpu::code_mark::{self, CodeKind, CodeMark};
use crate::cpu::device_vectors;
use crate::cpu::look::{self, Question};
use crate::cpu::shootdown::is_idle;
use crate::cpu::{self, Cpu, cpu_local};
use crate::report::stack_trace;
use crate::threads::misuses::Misuse;
use crate::threads::owner::Owner;
use crate::threads::{sleep, watchdog, whose_code};
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};

const NS_PER_MS: u64 = 1_000_000;
/// How long a handler may run.
const HANDLER_MS: u64 = 10;
/// How long code of a driver may keep interrupts or preemption off. Also how long a handler may take by the clock where there is a
/// hypervisor, which may stop the CPU meanwhile.
const SWITCHED_OFF_MS: u64 = 100;
/// How often a CPU must be found without progress: a CPU that a hypervisor has stopped is found so once.
const LOOKS: u32 = 3;

/// A stretch without progress of a CPU, in one call of a driver's function.
struct Stretch {
    /// The progress in it.
    progress: AtomicU32,
    /// The address of the call's record.
    call: AtomicUsize,
    /// When it was first looked at, in nanoseconds of the clock.
    since: AtomicU64,
    looks: AtomicU32,
}

cpu_local! {
    static STRETCH: Stretch =
        Stretch {
            progress: AtomicU32::new(0),
            call: AtomicUsize::new(0),
            since: AtomicU64::new(0),
            looks: AtomicU32::new(0),
        };
    /// The CPU has said that it runs no code of a driver that has failed.
    static IS_OUT: AtomicBool = AtomicBool::new(false);
}

/// True if code that keeps a CPU too long fails its driver.
static FAILS: AtomicBool = AtomicBool::new(false);

/// Begins to look for code that keeps a CPU too long: with `fails`, its driver has failed.
pub fn start(fails: bool) {
    FAILS.store(fails, Ordering::Relaxed);
    let handler_ms = if arch::has_hypervisor() { SWITCHED_OFF_MS } else { HANDLER_MS };
    device_vectors::on_overrun(handler_ms * arch::ticks_per_ms(), note_long_handler);
    watchdog::start();
    // The last look finds the limit reached.
    lone_cpu::start(SWITCHED_OFF_MS.div_ceil(LOOKS.into()));
}

/// Looks at what this CPU runs. Called in an interrupt, which may be a non-maskable one.
pub fn look(frame: &mut Frame, question: Question) {
    let place = FaultPlace::of_interrupted(frame);
    let has_failed = |owner: &Owner| owner.has_failed();
    match (&place, question) {
        (Some(place), _) if place.caller().has_failed() => _ = leaving::leave(frame, place),
        // In an export, it will be back in its own code soon.
        (_, Question::Leave) => {
            let is_in = code_mark::current().kind() != CodeKind::Thread
                && whose_code::calling_driver().is_some_and(has_failed);
            IS_OUT.here_or_elsewhere().store(!is_in, Ordering::SeqCst);
        }
        (place, Question::Overrun) => look_at_time(frame, place.as_ref()),
    }
}

/// Finds out whether the interrupted code has kept this CPU for too long.
fn look_at_time(frame: &mut Frame, place: Option<&FaultPlace>) {
    if !watchdog::is_on() {
        return;
    }
    let stretch = STRETCH.here_or_elsewhere();
    let (progress, now) = (watchdog::progress_here(), clock::time_ns());
    let call = core::ptr::from_ref(code_mark::innermost()).addr();
    // Code is not to blame for what it has called, or was called by.
    let is_other_call = stretch.call.swap(call, Ordering::Relaxed) != call;
    if stretch.progress.swap(progress, Ordering::Relaxed) != progress || is_other_call {
        stretch.since.store(now, Ordering::Relaxed);
        stretch.looks.store(0, Ordering::Relaxed);
    }
    let looks = stretch.looks.fetch_add(1, Ordering::Relaxed) + 1;
    let Some(place) = place.filter(|place| !place.is_on_own_thread() || !frame.has_interrupts_on()) else {
        return;
    };
    let limit = NS_PER_MS * if place.kind() == CodeKind::Handler { HANDLER_MS } else { SWITCHED_OFF_MS };
    let elapsed = now.saturating_sub(stretch.since.load(Ordering::Relaxed));
    if looks >= LOOKS && elapsed >= limit {
        report(frame, place, elapsed);
    }
}

/// Reports code that has kept its CPU for too long, once for each driver, or makes the CPU leave it.
fn report(frame: &mut Frame, place: &FaultPlace, elapsed_ns: u64) {
    let driver = place.failed();
    let (misuse, what) = match place.kind() {
        CodeKind::Handler => (Misuse::LongHandler, "its handler has run for"),
        _ => (Misuse::LongSwitchedOff, "it has kept interrupts or preemption off for"),
    };
    let (ms, offset) = (elapsed_ns / NS_PER_MS, frame.instruction_pointer.wrapping_sub(driver.image().start));
    if FAILS.load(Ordering::Relaxed) {
        log::error!(target: "drivers", "{} failed: {what} {ms} ms, at offset {offset:#x}", driver.name());
        stack_trace::log_from("drivers", &format_args!("{}: ", driver.name()), frame.all_registers());
        leaving::fail_and_leave(frame, place);
    } else if Owner::note_misuse(Some(driver), misuse) {
        log::warn!(target: "drivers", "{}: {what} {ms} ms, at offset {offset:#x}", driver.name());
    }
}

/// Reports a handler that has returned too late, once for each driver. With `watchdog=fail`, its driver has failed. Called with interrupts
/// off.
pub fn note_long_handler(mark: &CodeMark, function: *const (), ticks: u64) {
    // One that has failed meanwhile was abandoned.
    let Some(driver) = whose_code::owner_of(mark).filter(|driver| !driver.has_failed()) else { return };
    let ms = ticks / arch::ticks_per_ms().max(1);
    let offset = (function.addr() as u64).wrapping_sub(driver.image().start);
    if FAILS.load(Ordering::Relaxed) {
        log::error!(target: "drivers", "{} failed: its handler at offset {offset:#x} has run for {ms} ms", driver.name());
        leaving::fail_alone(driver);
    } else if Owner::note_misuse(Some(driver), Misuse::LongHandler) {
        log::warn!(target: "drivers", "{}: its handler at offset {offset:#x} has run for {ms} ms", driver.name());
    }
}

/// How often a CPU is asked to leave, with a millisecond in between.
const ATTEMPTS: u32 = 200;
/// How often to look whether a CPU has answered. It does so at once, unless it is stopped.
const PATIENCE: u32 = 1_000_000;

/// Waits until no CPU is in a call of a driver that has failed, but not for ever. The thread that calls may wait.
pub fn evict() {
    for cpu in cpu::online() {
        for _ in 0..ATTEMPTS {
            // A CPU that runs this thread is in no call, and none begins.
            if cpu.id == cpu::current().id || is_idle(cpu) || has_left(cpu) {
                break;
            }
            sleep::sleep_ns(NS_PER_MS);
        }
    }
}

/// Asks a CPU to leave the code of drivers that have failed. Returns true if it runs none.
fn has_left(cpu: &Cpu) -> bool {
    let is_out = IS_OUT.of(cpu);
    is_out.store(false, Ordering::SeqCst);
    look::ask(cpu, Question::Leave);
    let mut looks = 0..PATIENCE;
    while look::is_asked(cpu) && looks.next().is_some() {
        core::hint::spin_loop();
    }
    is_out.load(Ordering::SeqCst)
}
