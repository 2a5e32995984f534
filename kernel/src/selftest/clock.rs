//! Tests that the clock agrees with another source, and that it is one clock for all CPUs.
use super::{ONE_CPU, Work, ensure};
use crate::arch;
use crate::clock::{self, ClockSource};
use crate::cpu::{self, Cpu};
use crate::threads::thread::Start;
use crate::threads::{cpu_threads, join, lifecycle, sleep};
use alloc::string::String;
use clock_math::{Hz, Reading, tightest};
use core::ffi::c_void;
use core::sync::atomic::{AtomicU64, Ordering};
use scheduling::CpuSet;

const SLEEP_NS: u64 = 20_000_000;
/// How often the test sleeps. On a busy emulator, a sleep may take longer than the other source's range; that of the PIT is 54 ms.
const ATTEMPTS: usize = 10;

/// Checks that a sleep takes as long by another source as by the clock, within 1 %, and not less than it asked for.
pub fn sleep_agrees() -> Result<Work, String> {
    let Some(source) = clock::other_source() else {
        return Ok(Work::Skipped("the machine has no second clock"));
    };
    let (name, counter) = (source.source(), source.counter());
    let range_ns = in_ns(counter.elapsed(1, 0), counter.hz);
    let mut sleeps = (0..ATTEMPTS).map(|_| sleep_by(source));
    let Some((slept_ns, truth_ns)) = sleeps.find(|(slept_ns, _)| *slept_ns < range_ns - range_ns / 10) else {
        return Err(alloc::format!("no sleep of {SLEEP_NS} ns was shorter than {range_ns} ns"));
    };
    ensure!(truth_ns >= SLEEP_NS - SLEEP_NS / 100, "a sleep of {SLEEP_NS} ns took {truth_ns} ns by {name}");
    ensure!(
        slept_ns.abs_diff(truth_ns) <= truth_ns / 100,
        "a sleep took {slept_ns} ns by the clock, and {truth_ns} ns by {name}"
    );
    Ok(Work::Done)
}

/// Sleeps, and returns how many nanoseconds that took by the clock and by the source.
fn sleep_by(source: &dyn ClockSource) -> (u64, u64) {
    let start = read(source);
    sleep::sleep_ns(SLEEP_NS);
    let (end, counter) = (read(source), source.counter());
    let slept_ns = in_ns(end.before.wrapping_sub(start.before), Hz(arch::ticks_per_ms() * 1000));
    (slept_ns, in_ns(counter.elapsed(start.count, end.count), counter.hz))
}

/// Reads the source between two reads of the clock.
fn read(source: &dyn ClockSource) -> Reading {
    let attempt = |_| {
        let before = clock::now();
        let count = source.read();
        Reading { before, count, after: clock::now() }
    };
    tightest((0..4).map(attempt)).expect("the range is not empty")
}

fn in_ns(count: u64, hz: Hz) -> u64 {
    (u128::from(count) * 1_000_000_000 / u128::from(hz.0)) as u64
}

/// The number of reads so far. The boot CPU reads the time next if the number is even, and the other CPU if it is odd.
static READS: AtomicU64 = AtomicU64::new(0);
/// The time that was read last.
static LAST: AtomicU64 = AtomicU64::new(0);
/// How often each of two CPUs reads the time.
const ROUNDS: u64 = 20;

/// Checks that no CPU reads a time that is more than a microsecond earlier than the time that another CPU read just before.
pub fn cpus_agree() -> Result<Work, String> {
    let this = cpu::current().id;
    for cpu in cpu::online().filter(|cpu| cpu.id != this) {
        READS.store(0, Ordering::SeqCst);
        LAST.store(0, Ordering::SeqCst);
        let argument = core::ptr::from_ref(cpu).cast_mut().cast();
        // SAFETY: `read_time_on` takes a CPU, which exists for good.
        let start = unsafe { Start::new(read_time_on, argument) };
        let thread = lifecycle::create("selftest", start, Some(cpu.node));
        let thread = thread.map_err(|_| "a thread could not be created")?;
        let behind = read_time_alternately(0);
        let other_behind = join::join(thread).map_err(|_| "a thread could not be joined")?;
        let behind = behind.max(u64::from(other_behind.unsigned_abs()));
        let allowed = clock::ticks_in_ns(1000);
        ensure!(
            behind <= allowed,
            "the times of CPUs {this} and {} differ by {behind} ticks, and {allowed} are allowed",
            cpu.id
        );
    }
    Ok(Work::done_if(cpu::online().count() > 1, ONE_CPU))
}

/// Reads the time on this CPU, alternately with the boot CPU. Returns by how many ticks its time was behind.
unsafe extern "C" fn read_time_on(cpu: *mut c_void) -> i32 {
    // SAFETY: `cpus_agree` passes a CPU, which exists for good.
    let cpu = unsafe { &*cpu.cast::<Cpu>() };
    let here = CpuSet::from_iter([cpu.id]);
    let _ = lifecycle::set_affinity(cpu_threads::current_thread().id, &here);
    i32::try_from(read_time_alternately(1)).unwrap_or(i32::MAX)
}

/// Reads the time [`ROUNDS`] times, each time after the other CPU has read it. Returns the highest number of ticks by which it was
/// earlier than the other CPU's.
fn read_time_alternately(first: u64) -> u64 {
    let mut behind = 0;
    for reads in (first..2 * ROUNDS).step_by(2) {
        while READS.load(Ordering::Acquire) != reads {
            core::hint::spin_loop();
        }
        let now = clock::now();
        behind = behind.max(LAST.swap(now, Ordering::Relaxed).saturating_sub(now));
        READS.store(reads + 1, Ordering::Release);
    }
    behind
}
