//! The load test, run by the parameter `load`: far more threads than CPUs allocate and free pages, sleep, block, yield and change
//! CPUs for a long time. No thread, no wake-up and no page may be lost.
use super::pages::state;
use super::{Outcome, ensure};
use crate::arch;
use crate::cpu;
use crate::memory::allocate::{self, ThreadRequest, Zeroed};
use crate::platform::{cpu_topology, numa_topology};
use crate::threads::cpu_threads;
use crate::threads::join;
use crate::threads::lifecycle;
use crate::threads::thread::Start;
use crate::threads::{Mutex, Semaphore};
use crate::threads::{scheduler, sleep};
use alloc::vec::Vec;
use arrayvec::ArrayVec;
use core::ffi::c_void;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use page_alloc::Policy;
use scheduling::CpuSet;
use units::{CpuId, MAX_NODES, NodeId};

/// The number of threads.
const THREADS: usize = 1000;
/// The shortest run, in ticks of the time stamp counter. These are instructions if the emulator counts those.
const TICKS: u64 = 100_000_000;
/// The fewest steps of each thread.
const LEAST_STEPS: u64 = 20;

static STOP: AtomicBool = AtomicBool::new(false);
static STEPS: AtomicU64 = AtomicU64::new(0);
static WRONG: AtomicU64 = AtomicU64::new(0);
static COUNTED: Mutex<u64> = Mutex::new(0);
static GATE: Semaphore = Semaphore::new(3);

/// Runs the load twice and compares the free pages.
pub fn loses_nothing() -> Outcome {
    let nodes = numa_topology::get().nodes();
    // What the first run takes for page tables and heaps stays.
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
        // SAFETY: `be_busy` takes its argument as a number.
        let work = unsafe { Start::new(be_busy, core::ptr::without_provenance_mut(index + 1)) };
        let thread = lifecycle::create("load", work, NodeId::new(index % nodes));
        threads.push(thread.map_err(|error| alloc::format!("thread {index} was not created: {error:?}"))?);
    }
    while arch::ticks() - start < TICKS {
        sleep::sleep_ns(5_000_000);
    }
    STOP.store(true, Ordering::Relaxed);
    let mut counted = 0;
    for thread in threads {
        let times = join::join(thread).map_err(|error| alloc::format!("a thread was lost: {error:?}"))?;
        counted += u64::try_from(times).unwrap_or(0);
    }
    let (steps, wrong, locked) =
        (STEPS.load(Ordering::Relaxed), WRONG.load(Ordering::Relaxed), *COUNTED.lock());
    ensure!(wrong == 0, "{wrong} pages were not as they had been left");
    ensure!(locked == counted, "the mutex was held {counted} times, and {locked} were counted under it");
    log::info!(target: "selftest", "{THREADS} threads did {steps} things, none was lost");
    Ok(())
}

/// Takes steps at random until `STOP` is set. Returns how often the thread held the mutex.
unsafe extern "C" fn be_busy(seed: *mut c_void) -> i32 {
    let mut random = seed.addr() as u64;
    let mut locked = 0;
    let mut steps = 0;
    while steps < LEAST_STEPS || !STOP.load(Ordering::Relaxed) {
        // Xorshift: any sequence will do, as long as those of the threads differ.
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

/// Takes pages of some node, marks them, yields, and looks for the mark.
fn hold_pages(random: u64) {
    let node = NodeId::new(random as usize / 16 % numa_topology::get().node_count());
    let policy = node.map(Policy::Preferred);
    let request = ThreadRequest { zeroed: Zeroed::No, policy, ..ThreadRequest::new(1 + random / 256 % 3) };
    let Ok(grant) = allocate::allocate_for_thread(request) else { return };
    let place = arch::physical_memory(grant.frame.address()).cast::<u64>();
    // SAFETY: the allocator has granted the pages to this thread, which frees them below.
    unsafe { place.write_volatile(random) };
    scheduler::yield_now();
    // SAFETY: the pages are still granted to this thread.
    let found = unsafe { place.read_volatile() };
    let freed = allocate::free(grant.frame, grant.count);
    WRONG.fetch_add(u64::from(found != random || freed.is_err()), Ordering::Relaxed);
}

/// Restricts the thread to one CPU, then lifts the restriction.
fn move_to(random: u64) {
    let cpu = CpuId((random / 16 % cpu_topology::cpus().len() as u64) as u32);
    let this = cpu_threads::current_thread().id;
    if lifecycle::set_affinity(this, &CpuSet::from_iter([cpu])).is_ok() {
        // At most a tick comes between the two, and must not move the thread.
        WRONG.fetch_add(u64::from(cpu::current().id != cpu), Ordering::Relaxed);
        let everywhere: CpuSet = cpu_topology::cpus().iter().map(|cpu| cpu.id).collect();
        let _ = lifecycle::set_affinity(this, &everywhere);
    }
}
