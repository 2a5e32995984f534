//! Far more threads than CPUs, each taking pages, giving them back, sleeping, blocking, giving way and changing CPUs, for a
//! long time; then no thread, no wake-up and no page is lost. Run by the parameter `load`.
use super::pages::state;
use super::{Outcome, ensure};
use crate::arch;
use crate::cpu;
use crate::memory::allocate::{self, ThreadRequest, Zeroed};
use crate::platform::{cpu_topology, numa_topology};
use crate::threads::cpu_threads;
use crate::threads::lifecycle;
use crate::threads::thread::{Policy, Start};
use crate::threads::{Mutex, Semaphore};
use crate::threads::{scheduler, sleep};
use alloc::vec::Vec;
use arrayvec::ArrayVec;
use core::ffi::c_void;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use scheduling::CpuSet;
use units::{CpuId, MAX_NODES, NodeId};

/// Threads that run at once.
const THREADS: usize = 1000;
/// For at least so many ticks of the time stamp counter, which are instructions where the emulator counts those.
const TICKS: u64 = 100_000_000;
/// Each thread does at least so many things.
const LEAST_STEPS: u64 = 20;

static STOP: AtomicBool = AtomicBool::new(false);
static STEPS: AtomicU64 = AtomicU64::new(0);
static WRONG: AtomicU64 = AtomicU64::new(0);
static COUNTED: Mutex<u64> = Mutex::new(0);
static GATE: Semaphore = Semaphore::new(3);

/// Runs the load and looks at what is left.
pub fn loses_nothing() -> Outcome {
    let nodes = numa_topology::get().nodes();
    // Twice: what the first run takes for page tables and heaps stays.
    run_all()?;
    let before: ArrayVec<_, MAX_NODES> = nodes.iter().map(|node| state(node.id).0).collect();
    run_all()?;
    let after: ArrayVec<_, MAX_NODES> = nodes.iter().map(|node| state(node.id).0).collect();
    ensure!(after == before, "free pages before {before:?}, after {after:?}");
    Ok(())
}

fn run_all() -> Outcome {
    STOP.store(false, Ordering::Relaxed);
    [&STEPS, &WRONG].iter().for_each(|counter| counter.store(0, Ordering::Relaxed));
    *COUNTED.lock() = 0;
    let nodes = numa_topology::get().node_count();
    let mut threads = Vec::with_capacity(THREADS);
    let start = arch::ticks();
    for index in 0..THREADS {
        let work = Start { entry: be_busy, argument: core::ptr::without_provenance_mut(index + 1) };
        let thread = lifecycle::create("load", work, NodeId::new(index % nodes));
        threads.push(thread.map_err(|error| alloc::format!("thread {index} was not created: {error:?}"))?);
    }
    while arch::ticks() - start < TICKS {
        sleep::sleep_ns(5_000_000);
    }
    STOP.store(true, Ordering::Relaxed);
    let mut counted = 0;
    for thread in threads {
        let times =
            lifecycle::join(thread).map_err(|error| alloc::format!("a thread was lost: {error:?}"))?;
        counted += u64::try_from(times).unwrap_or(0);
    }
    let (steps, wrong, locked) =
        (STEPS.load(Ordering::Relaxed), WRONG.load(Ordering::Relaxed), *COUNTED.lock());
    ensure!(wrong == 0, "{wrong} pages were not as they had been left");
    ensure!(locked == counted, "the mutex was held {counted} times, and {locked} were counted under it");
    log::info!(target: "selftest", "{THREADS} threads did {steps} things, none was lost");
    Ok(())
}

/// What a thread does until it is told to stop; returns how often it had the mutex.
unsafe extern "C" fn be_busy(seed: *mut c_void) -> i32 {
    let mut random = seed.addr() as u64;
    let mut locked = 0;
    let mut steps = 0;
    while steps < LEAST_STEPS || !STOP.load(Ordering::Relaxed) {
        // Xorshift: any sequence will do, as long as threads differ.
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        match random % 16 {
            0..=5 => hold_pages(random),
            6 => sleep::sleep_ns(random % 2_000_000),
            7 | 8 => {
                GATE.acquire();
                scheduler::yield_now();
                GATE.release();
            }
            9 | 10 => {
                *COUNTED.lock() += 1;
                locked += 1;
            }
            11 => move_to(random),
            _ => scheduler::yield_now(),
        }
        steps += 1;
    }
    STEPS.fetch_add(steps, Ordering::Relaxed);
    locked
}

/// Takes pages from some node, marks them, gives way, and finds the mark.
fn hold_pages(random: u64) {
    let node = NodeId::new(random as usize / 16 % numa_topology::get().node_count());
    let policy = node.map(Policy::Preferred);
    let request = ThreadRequest { zeroed: Zeroed::No, policy, ..ThreadRequest::new(1 + random / 256 % 3) };
    let Ok(grant) = allocate::allocate_for_thread(request) else { return };
    let place = arch::physical_memory(grant.frame.address()).cast::<u64>();
    // SAFETY: the pages are this thread's until it frees them.
    unsafe { place.write_volatile(random) };
    scheduler::yield_now();
    // SAFETY: as above.
    let found = unsafe { place.read_volatile() };
    let freed = allocate::free(grant.frame, grant.count);
    WRONG.fetch_add(u64::from(found != random || freed.is_err()), Ordering::Relaxed);
}

/// Goes to some CPU, then may be anywhere again.
fn move_to(random: u64) {
    let cpu = CpuId((random / 16 % cpu_topology::cpus().len() as u64) as u32);
    let this = cpu_threads::current_thread().id;
    if lifecycle::set_affinity(this, &CpuSet::from_iter([cpu])).is_ok() {
        // Nothing happens between the two but perhaps a tick, which must not move it.
        WRONG.fetch_add(u64::from(cpu::current().id != cpu), Ordering::Relaxed);
        let everywhere: CpuSet = cpu_topology::cpus().iter().map(|cpu| cpu.id).collect();
        let _ = lifecycle::set_affinity(this, &everywhere);
    }
}
