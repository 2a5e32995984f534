//! Tests that threads keep to their affinity, and leave a CPU that is forbidden to them.
use super::threads::{join, spawn};
use super::{ONE_CPU, Work, ensure};
use crate::arch;
use crate::cpu::{self, PreemptionOff};
use crate::threads::thread::ThreadId;
use crate::threads::{cpu_threads, lifecycle, scheduler, sleep, thread_table};
use alloc::string::String;
use alloc::vec::Vec;
use core::ffi::c_void;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use run_queue::State;
use scheduling::CpuSet;
use units::CpuId;

/// Stays on the CPU with this index for a while and yields all the time. Returns how often the thread was elsewhere.
unsafe extern "C" fn stay(cpu: *mut c_void) -> i32 {
    let wanted = CpuId(cpu.addr() as u32);
    if lifecycle::set_affinity(cpu_threads::current_thread().id, &CpuSet::from_iter([wanted])).is_err() {
        return -1;
    }
    let mut elsewhere = 0;
    for _ in 0..100 {
        elsewhere += i32::from(cpu::current().id != wanted);
        scheduler::yield_now();
    }
    elsewhere
}

/// Checks that two threads that restrict themselves to each CPU are never on another one.
pub fn keep_to_their_affinity() -> Result<Work, String> {
    let threads: Result<Vec<_>, _> =
        cpu::online().chain(cpu::online()).map(|cpu| spawn(stay, cpu.id.index(), None)).collect();
    for thread in threads? {
        let elsewhere = join(thread)?;
        ensure!(elsewhere == 0, "a pinned thread was {elsewhere} times on another CPU");
    }
    Ok(Work::done_if(cpu::online().count() > 1, ONE_CPU))
}

/// A thread that is moved about, and looks where it runs.
struct Wanderer {
    /// The CPU on which it may run since `set_affinity` returned; [`ANY_CPU`] while a call is under way.
    allowed: AtomicU32,
    /// How often the thread has looked while `allowed` named a CPU.
    looks: AtomicU64,
    /// How often it ran on another CPU then.
    forbidden: AtomicU64,
}

const ANY_CPU: u32 = u32::MAX;
const WANDERERS: usize = 3;
static WANDERING: [Wanderer; WANDERERS] = [const {
    Wanderer { allowed: AtomicU32::new(ANY_CPU), looks: AtomicU64::new(0), forbidden: AtomicU64::new(0) }
}; WANDERERS];
static STOP: AtomicBool = AtomicBool::new(false);

/// How long the threads are moved.
#[derive(Clone, Copy)]
enum Until {
    /// For so many milliseconds.
    Milliseconds(u64),
    /// Until the threads have looked so often where they run, while they may run on one CPU only.
    Looks(u64),
}

unsafe extern "C" fn wander(index: *mut c_void) -> i32 {
    let this = &WANDERING[index.addr()];
    let mut steps = 0_u64;
    while !STOP.load(Ordering::Relaxed) {
        {
            // The thread stays on its CPU between the two looks.
            let _off = PreemptionOff::new();
            let allowed = this.allowed.load(Ordering::SeqCst);
            if allowed != ANY_CPU {
                this.looks.fetch_add(1, Ordering::Relaxed);
                this.forbidden.fetch_add(u64::from(allowed != cpu::current().id.0), Ordering::Relaxed);
            }
        }
        steps += 1;
        match steps % 256 {
            0 => sleep::sleep_ns(1000),
            64 | 128 | 192 => scheduler::yield_now(),
            _ => {}
        }
    }
    0
}

/// Checks that threads that run, wait, sleep and yield while another thread moves them are never on a CPU that they had to
/// leave, once `set_affinity` has returned.
pub fn leave_forbidden_cpus() -> Result<Work, String> {
    leave_forbidden_cpus_until(Until::Milliseconds(300))
}

/// Does the work of [`leave_forbidden_cpus`] until the threads have looked a million times where they are.
pub fn leave_forbidden_cpus_a_million_times() -> Result<Work, String> {
    leave_forbidden_cpus_until(Until::Looks(1_000_000))
}

fn leave_forbidden_cpus_until(until: Until) -> Result<Work, String> {
    STOP.store(false, Ordering::Relaxed);
    for wanderer in &WANDERING {
        wanderer.allowed.store(ANY_CPU, Ordering::Relaxed);
        wanderer.looks.store(0, Ordering::Relaxed);
        wanderer.forbidden.store(0, Ordering::Relaxed);
    }
    let threads: Result<Vec<_>, _> = (0..WANDERERS).map(|index| spawn(wander, index, None)).collect();
    let threads = threads?;
    let moved = move_about(&threads, until);
    STOP.store(true, Ordering::Relaxed);
    threads.into_iter().try_for_each(|thread| join(thread).map(|_| ()))?;
    let moves = moved?;
    let (looks, forbidden) = (sum(|wanderer| &wanderer.looks), sum(|wanderer| &wanderer.forbidden));
    log::debug!(target: "selftest", "{looks} looks, {moves} moves");
    ensure!(forbidden == 0, "of {looks} looks, {forbidden} found a thread on a forbidden CPU; {moves} moves");
    ensure!(looks > 0, "no thread has looked where it ran, in {moves} moves");
    Ok(Work::done_if(cpu::online().count() > 1, ONE_CPU))
}

/// Adds up a count of all threads.
fn sum(count: fn(&Wanderer) -> &AtomicU64) -> u64 {
    WANDERING.iter().map(|wanderer| count(wanderer).load(Ordering::Relaxed)).sum()
}

/// Moves the threads, each to another CPU every time. Returns how often.
fn move_about(threads: &[ThreadId], until: Until) -> Result<usize, alloc::string::String> {
    let cpus: Vec<_> = cpu::online().map(|cpu| cpu.id).collect();
    let start = arch::ticks();
    let goes_on = || match until {
        Until::Milliseconds(time) => arch::ticks() - start < time * arch::ticks_per_ms(),
        Until::Looks(looks) => sum(|wanderer| &wanderer.looks) < looks,
    };
    let mut moves = 0;
    while goes_on() {
        let index = moves % WANDERERS;
        let cpu = cpus[(moves / WANDERERS + index) % cpus.len()];
        WANDERING[index].allowed.store(ANY_CPU, Ordering::SeqCst);
        lifecycle::set_affinity(threads[index], &CpuSet::from_iter([cpu]))
            .map_err(|error| alloc::format!("a thread could not be moved to CPU {cpu}: {error:?}"))?;
        let standing = thread_table::lock().find(threads[index]).map(|thread| thread.standing());
        WANDERING[index].allowed.store(cpu.0, Ordering::SeqCst);
        if let Some((state @ (State::Queued | State::Running), at)) = standing {
            ensure!(at == cpu, "a thread that may run on CPU {cpu} only is {state:?} on CPU {at}");
        }
        moves += 1;
        // Some moves find the thread where the last one has put it, others where it runs by then.
        if moves.is_multiple_of(4) {
            wait_for_a_look(&WANDERING[index]);
        }
    }
    Ok(moves)
}

/// Waits until the thread has looked where it runs, at most for some milliseconds.
fn wait_for_a_look(wanderer: &Wanderer) {
    let looks = wanderer.looks.load(Ordering::Relaxed);
    let end = arch::ticks() + 5 * arch::ticks_per_ms();
    while wanderer.looks.load(Ordering::Relaxed) == looks && arch::ticks() < end {
        scheduler::yield_now();
        core::hint::spin_loop();
    }
}
